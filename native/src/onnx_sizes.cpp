// Sizes computed from sizes: exporters write the shape of a reshape as a small graph of its own,
// which is computed here, once, while the file is read.
#include <algorithm>
#include <cmath>
#include <utility>

#include "onnx_call.hpp"

namespace edgewise {
namespace {

using Numbers = std::vector<double>;

// A result that is known now, whatever the inputs are.
void constant(OnnxCall& call, Value value) {
  value.constant = true;
  value.has_content = value.has_content &&
                      value.content.size() == static_cast<std::size_t>(value.elements());
  call.outputs().assign(1, std::move(value));
}

Value integers(Shape shape, Numbers content) {
  Value value;
  value.shape = std::move(shape);
  value.element_bytes = 8;
  value.integer = true;
  value.has_content = content.size() <= kMaxContent;
  if (value.has_content) value.content = std::move(content);
  return value;
}

void shape_of(OnnxCall& call) {
  const Shape& shape = call.in(0).shape;
  const auto rank = static_cast<std::int64_t>(shape.size());
  const auto place = [&](std::int64_t at) {
    return std::clamp<std::int64_t>(at < 0 ? at + rank : at, 0, rank);
  };
  const std::int64_t start = place(call.node().integer("start", 0));
  const std::int64_t end = std::max(start, place(call.node().integer("end", rank)));
  Numbers sizes(shape.begin() + start, shape.begin() + end);
  constant(call, integers({end - start}, std::move(sizes)));
}

void size_of(OnnxCall& call) {
  constant(call, integers({}, {static_cast<double>(call.in(0).elements())}));
}

void literal(OnnxCall& call) {
  const OnnxNode& node = call.node();
  if (const auto tensor = node.tensor("value")) return constant(call, *tensor);
  if (node.has("value_int")) {
    return constant(call, integers({}, {static_cast<double>(node.integer("value_int", 0))}));
  }
  if (node.has("value_ints")) {
    const auto list = node.integers("value_ints");
    return constant(call, integers({static_cast<std::int64_t>(list.size())},
                                   Numbers(list.begin(), list.end())));
  }
  Numbers reals = node.has("value_float") ? Numbers{node.real("value_float", 0.0)}
                                          : node.reals("value_floats");
  const bool scalar = node.has("value_float");
  Value value = integers(scalar ? Shape{} : Shape{static_cast<std::int64_t>(reals.size())}, reals);
  value.element_bytes = 4;
  value.integer = false;
  constant(call, std::move(value));
}

void filled(OnnxCall& call) {
  Value value = integers(call.integers(0), {});
  check_shape(value.shape);
  value.element_bytes = 4;
  value.integer = false;
  double content = 0.0;
  if (const auto tensor = call.node().tensor("value")) {
    value.element_bytes = tensor->element_bytes;
    value.integer = tensor->integer;
    if (!tensor->content.empty()) content = tensor->content[0];
  }
  const std::int64_t elements = value.elements();
  value.has_content = elements <= static_cast<std::int64_t>(kMaxContent);
  if (value.has_content) value.content.assign(static_cast<std::size_t>(elements), content);
  constant(call, std::move(value));
}

void range(OnnxCall& call) {
  Numbers limits;
  for (std::size_t i = 0; i < 3; ++i) {
    if (call.numbers(i).size() != 1) fail_model("a single start, limit and step are needed");
    limits.push_back(call.numbers(i)[0]);
  }
  const double count = limits[2] == 0.0 ? 0.0 : std::ceil((limits[1] - limits[0]) / limits[2]);
  const std::int64_t size = std::max<std::int64_t>(to_integer(count), 0);
  check_shape({size});
  Numbers content;
  if (size <= static_cast<std::int64_t>(kMaxContent)) {
    for (std::int64_t i = 0; i < size; ++i) {
      content.push_back(limits[0] + static_cast<double>(i) * limits[2]);
    }
  }
  Value value = integers({size}, std::move(content));
  value.element_bytes = call.in(0).element_bytes;
  value.integer = call.in(0).integer;
  constant(call, std::move(value));
}

// The element of a content that belongs to element `i` of a result: a single number belongs to all.
double pick(const Numbers& content, std::size_t i) {
  return content.size() == 1 ? content[0] : content[i];
}

using Function = double (*)(double, double, bool integer);

Function function_of(std::string_view op) {
  static const std::unordered_map<std::string_view, Function> kFunctions = {
      {"Add", [](double a, double b, bool) { return a + b; }},
      {"Sub", [](double a, double b, bool) { return a - b; }},
      {"Mul", [](double a, double b, bool) { return a * b; }},
      {"Div", [](double a, double b, bool whole) { return whole ? std::trunc(a / b) : a / b; }},
      {"Mod", [](double a, double b, bool) { return a - std::floor(a / b) * b; }},
      {"Pow", [](double a, double b, bool) { return std::pow(a, b); }},
      {"Max", [](double a, double b, bool) { return std::max(a, b); }},
      {"Min", [](double a, double b, bool) { return std::min(a, b); }},
      {"Equal", [](double a, double b, bool) { return a == b ? 1.0 : 0.0; }},
      {"Greater", [](double a, double b, bool) { return a > b ? 1.0 : 0.0; }},
      {"Less", [](double a, double b, bool) { return a < b ? 1.0 : 0.0; }},
      {"GreaterOrEqual", [](double a, double b, bool) { return a >= b ? 1.0 : 0.0; }},
      {"LessOrEqual", [](double a, double b, bool) { return a <= b ? 1.0 : 0.0; }},
      {"And", [](double a, double b, bool) { return a * b != 0.0 ? 1.0 : 0.0; }},
      {"Or", [](double a, double b, bool) { return a != 0.0 || b != 0.0 ? 1.0 : 0.0; }},
      {"Neg", [](double a, double, bool) { return -a; }},
      {"Abs", [](double a, double, bool) { return std::abs(a); }},
      {"Not", [](double a, double, bool) { return a == 0.0 ? 1.0 : 0.0; }},
      {"Floor", [](double a, double, bool) { return std::floor(a); }},
      {"Ceil", [](double a, double, bool) { return std::ceil(a); }},
      {"Round", [](double a, double, bool) { return std::nearbyint(a); }},
      {"Sqrt", [](double a, double, bool) { return std::sqrt(a); }},
  };
  const auto found = kFunctions.find(op);
  return found == kFunctions.end() ? nullptr : found->second;
}

bool is_copy(std::string_view op) {
  return op == "Reshape" || op == "Squeeze" || op == "Unsqueeze" || op == "Flatten";
}

Numbers cast(const Numbers& content, bool integer) {
  Numbers result = content;
  if (integer) {
    for (double& number : result) number = std::trunc(number);
  }
  return result;
}

Numbers chosen(const Numbers& data, const Numbers& indices) {
  Numbers result;
  for (const double index : indices) {
    const auto size = static_cast<std::int64_t>(data.size());
    const std::int64_t at = to_integer(index) < 0 ? to_integer(index) + size : to_integer(index);
    if (at < 0 || at >= size) fail_model("an index out of range");
    result.push_back(data[static_cast<std::size_t>(at)]);
  }
  return result;
}

// Where the elements of a view lie in the content that it views.
struct View {
  std::int64_t first = 0;
  std::vector<std::int64_t> steps;  // one for each dimension of the view
};

View whole(const Shape& shape) {
  View view;
  view.steps.assign(shape.size(), 1);
  for (std::size_t i = shape.size(); i-- > 1;) view.steps[i - 1] = view.steps[i] * shape[i];
  return view;
}

// The elements of a view of the shape `shape`; none when it leads out of the content.
Numbers viewed(const Numbers& content, const Shape& shape, const View& view) {
  Numbers result;
  const std::int64_t count = element_count(shape);
  for (std::int64_t i = 0; i < count; ++i) {
    std::int64_t at = view.first;
    std::int64_t rest = i;
    for (std::size_t axis = shape.size(); axis-- > 0; rest /= shape[axis]) {
      at += rest % shape[axis] * view.steps[axis];
    }
    if (at < 0 || at >= static_cast<std::int64_t>(content.size())) return {};
    result.push_back(content[static_cast<std::size_t>(at)]);
  }
  return result;
}

Numbers sliced(const OnnxCall& call, const Shape& shape) {
  const Value& data = call.in(0);
  const bool old = call.count() < 3;
  const auto starts = old ? call.node().integers("starts") : call.integers(1);
  const auto axes = call.integers(3, "axes");
  const auto steps = call.has(4) ? call.integers(4) : std::vector<std::int64_t>{};
  View view = whole(data.shape);
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::int64_t named = i < axes.size() ? axes[i] : static_cast<std::int64_t>(i);
    const std::size_t axis = axis_index(named, data.shape.size());
    const std::int64_t size = data.shape[axis];
    const std::int64_t from_front = starts[i] < 0 ? starts[i] + size : starts[i];
    view.first += view.steps[axis] *
                  std::clamp<std::int64_t>(from_front, 0, std::max<std::int64_t>(size - 1, 0));
    // One element takes no step, however long; among more a step is shorter than the dimension.
    view.steps[axis] *= shape[axis] > 1 && i < steps.size() ? steps[i] : 1;
  }
  return viewed(data.content, shape, view);
}

Numbers transposed(const OnnxCall& call, const Shape& shape) {
  const Value& data = call.in(0);
  const std::size_t rank = data.shape.size();
  const auto order = call.node().integers("perm");
  const View straight = whole(data.shape);
  View view = straight;
  for (std::size_t i = 0; i < rank; ++i) {
    const std::size_t from = order.empty() ? rank - 1 - i : axis_index(order[i], rank);
    view.steps[i] = straight.steps[from];
  }
  return viewed(data.content, shape, view);
}

Numbers elementwise(const OnnxCall& call, Function function, std::size_t count) {
  const Numbers& left = call.in(0).content;
  const Numbers none = {0.0};
  const Numbers& right = call.has(1) ? call.in(1).content : none;
  const auto fits = [&](const Numbers& content) {
    return content.size() == 1 || content.size() == count;
  };
  if (!fits(left) || !fits(right) || call.count() > 2) return {};
  Numbers result(count);
  for (std::size_t i = 0; i < count; ++i) {
    result[i] = function(pick(left, i), pick(right, i), call.in(0).integer);
  }
  return result;
}

Numbers selected(const OnnxCall& call, std::size_t count) {
  for (std::size_t input = 0; input < 3; ++input) {
    const std::size_t size = call.in(input).content.size();
    if (size != 1 && size != count) return {};
  }
  Numbers result(count);
  for (std::size_t i = 0; i < count; ++i) {
    const bool first = pick(call.in(0).content, i) != 0.0;
    result[i] = pick(call.in(first ? 1 : 2).content, i);
  }
  return result;
}

Numbers computed(const OnnxCall& call, const Value& output) {
  const std::string_view op = call.node().op;
  const auto count = static_cast<std::size_t>(output.elements());
  const Numbers& first = call.in(0).content;
  const bool list = call.in(0).shape.size() <= 1;
  if (is_copy(op)) return first;
  if (op == "Cast") return cast(first, output.integer);
  if (op == "Gather" && list) return chosen(first, call.in(1).content);
  if (op == "Slice") return sliced(call, output.shape);
  if (op == "Transpose") return transposed(call, output.shape);
  if (op == "Expand" && first.size() == 1) return Numbers(count, first[0]);
  if (op == "Where") return selected(call, count);
  if (op == "Concat" && list) {
    Numbers joined;
    for (std::size_t i = 0; i < call.count(); ++i) {
      const Numbers& part = call.in(i).content;
      joined.insert(joined.end(), part.begin(), part.end());
    }
    return joined;
  }
  if (op == "ReduceProd" && count == 1) {
    double product = 1.0;
    for (const double number : first) product *= number;
    return {product};
  }
  const Function function = function_of(op);
  return function == nullptr ? Numbers{} : elementwise(call, function, count);
}

}  // namespace

void fold_onnx(OnnxCall& call) {
  if (call.outputs().size() != 1 || call.count() == 0) return;
  Value& output = call.outputs()[0];
  if (output.has_content || output.elements() > static_cast<std::int64_t>(kMaxContent)) return;
  for (std::size_t i = 0; i < call.count(); ++i) {
    if (call.has(i) && !call.peek(i)->has_content) return;
  }
  if (!call.has(0)) return;
  output.content = computed(call, output);
  output.has_content = output.content.size() == static_cast<std::size_t>(output.elements());
}

void add_onnx_sizes(OnnxHandlers& handlers) {
  handlers["Shape"] = shape_of;
  handlers["Size"] = size_of;
  handlers["Constant"] = literal;
  handlers["ConstantOfShape"] = filled;
  handlers["Range"] = range;
}

}  // namespace edgewise
