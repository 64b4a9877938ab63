#include "read_tflite.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "edgewise/error.hpp"
#include "lowering.hpp"
#include "tflite_model.hpp"
#include "tflite_operators.hpp"

namespace edgewise {
namespace {

// As a source: nothing has computed the tensor yet.
constexpr int kUndefined = std::numeric_limits<int>::min();

// Fields of the options of windowed operators.
enum WindowOptions : unsigned { kStrideW = 1, kStrideH = 2, kFilterW = 3, kFilterH = 4 };

class TfliteLowering {
 public:
  explicit TfliteLowering(const TfliteModel& model)
      : model_(model),
        sources_(model.tensor_count(), kUndefined),
        folded_(model.tensor_count(), false) {}

  OperationGraph run(std::vector<ModelInput>& inputs) {
    read_inputs(inputs);
    for (std::size_t i = 0; i < model_.operator_count(); ++i) lower_named(i);
    std::vector<int> outputs;
    const auto tensors = model_.outputs();
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const Value value = value_of(tensors[i]);
      if (!value.constant) outputs.push_back(value.source);
    }
    return lowering_.finish(std::move(outputs));
  }

 private:
  // One operator while it is lowered.
  struct Call {
    FlatTable op;
    TfliteRule rule;
    std::vector<std::int32_t> inputs;  // tensors; negative where an optional one is absent
    std::vector<std::int32_t> outputs;
    std::optional<FlatTable> options;
    Value data;    // the first input that is no constant
    Value result;  // the first output

    std::int32_t option(unsigned field) const {
      return options ? options->number<std::int32_t>(field, 0) : 0;
    }
    bool flag(unsigned field) const {
      return options && options->number<std::uint8_t>(field, 0) != 0;
    }
  };

  void read_inputs(std::vector<ModelInput>& inputs) {
    const auto tensors = model_.inputs();
    if (tensors.size() > model_.tensor_count()) fail_model("damaged: more inputs than tensors");
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      const std::size_t tensor = checked(tensors[i]);
      const std::string name = printable(model_.name(tensor));
      for (const std::size_t axis : model_.unknown_sizes(tensor)) {
        if (axis == 0) continue;
        fail_model("input '" + name + "' has an unknown size (dimension " + std::to_string(axis) +
                   "); export the model with fixed shapes");
      }
      const Shape shape = model_.value(tensor).shape;
      check_shape(shape);
      if (element_count(shape) == 0) {
        fail_model("input '" + name + "' has the size " + shape_text(shape) +
                   "; export the model with fixed shapes");
      }
      if (i == 0 && !shape.empty()) lowering_.set_batch(shape[0]);
      inputs.push_back({name, shape});
      sources_[tensor] = Kernel::kInput - static_cast<int>(i);
    }
  }

  std::size_t checked(std::int32_t tensor) const {
    if (tensor < 0 || static_cast<std::size_t>(tensor) >= model_.tensor_count()) {
      fail_model("damaged: tensor " + std::to_string(tensor) + " of " +
                 std::to_string(model_.tensor_count()));
    }
    return static_cast<std::size_t>(tensor);
  }

  // A tensor that may be read now.
  Value value_of(std::int32_t index) const {
    const std::size_t tensor = checked(index);
    Value value = model_.value(tensor);
    check_shape(value.shape);
    value.constant = value.constant || folded_[tensor] || value.elements() == 0;
    value.source = sources_[tensor];
    if (!value.constant && value.source == kUndefined) {
      fail_model("reads tensor " + std::to_string(index) + " '" +
                 printable(model_.name(tensor)) + "', which nothing before it computes");
    }
    return value;
  }

  void lower_named(std::size_t index) {
    try {
      lower(index);
    } catch (const Error& error) {
      fail_model("operator " + std::to_string(index) + " (" +
                 model_.unknown_name(model_.op(index)) + "): " + error.what());
    }
  }

  void lower(std::size_t index) {
    Call call{model_.op(index), {}, {}, {}, {}, {}, {}};
    call.rule = tflite_rule(model_.code(call.op));
    call.inputs = tensors_of(call.op, 1);
    call.outputs = tensors_of(call.op, 2);
    call.options = call.op.table(4);
    if (call.outputs.empty()) return;
    if (!find_data(call) || call.rule.form == TfliteForm::kConstant) {
      for (const std::int32_t output : call.outputs) folded_[checked(output)] = true;
      return;
    }
    call.result = result_of(call.outputs[0]);
    if (call.rule.form == TfliteForm::kSplit) {
      split(call);
      return;
    }
    Operation operation = lowered(call);
    activate(operation, call);
    const int source = lowering_.add(std::move(operation));
    for (const std::int32_t output : call.outputs) sources_[checked(output)] = source;
  }

  std::vector<std::int32_t> tensors_of(const FlatTable& op, unsigned field) {
    const auto numbers = op.numbers<std::int32_t>(field);
    tensors_read_ += numbers.size();
    if (tensors_read_ > 4 * kMaxModelParts) fail_model("damaged: lists of tensors without end");
    std::vector<std::int32_t> tensors(numbers.size());
    for (std::size_t i = 0; i < tensors.size(); ++i) tensors[i] = numbers[i];
    return tensors;
  }

  // Finds the first input that is no constant; without one the result is a constant too.
  bool find_data(Call& call) const {
    for (const std::int32_t input : call.inputs) {
      if (input < 0) continue;
      Value value = value_of(input);
      if (value.constant) continue;
      call.data = std::move(value);
      return true;
    }
    return false;
  }

  Value result_of(std::int32_t index) const {
    Value value = model_.value(checked(index));
    check_shape(value.shape);
    return value;
  }

  Value input(const Call& call, std::size_t i) const {
    if (i >= call.inputs.size() || call.inputs[i] < 0) {
      fail_model("has no input " + std::to_string(i));
    }
    return value_of(call.inputs[i]);
  }

  Shape weights(const Call& call, std::size_t i, std::size_t rank) const {
    Shape shape = input(call, i).shape;
    if (shape.size() != rank) {
      fail_model("has weights of the size " + shape_text(shape) + ", not of " +
                 std::to_string(rank) + " dimensions");
    }
    return shape;
  }

  Operation lowered(const Call& call) const {
    const TfliteRule& rule = call.rule;
    switch (rule.form) {
      case TfliteForm::kConv: return conv(call);
      case TfliteForm::kDepthwise: return depthwise(call);
      case TfliteForm::kConv3d: return conv3d(call);
      case TfliteForm::kTransposeConv: return transpose_conv(call);
      case TfliteForm::kPool: return pool(call);
      case TfliteForm::kFullyConnected: return fully_connected(call);
      case TfliteForm::kBatchMatMul: return batch_matmul(call);
      case TfliteForm::kJoin: return join(call);
      case TfliteForm::kClamp: return clamp(call);
      case TfliteForm::kReduce: return lowering_.reduce(call.data, call.result, rule.mean);
      case TfliteForm::kSoftmax: return softmax(call);
      case TfliteForm::kTranspose: return transpose(call);
      case TfliteForm::kGather: return gather(call);
      case TfliteForm::kMany: return many(call);
      case TfliteForm::kSingle: return single(call);
      case TfliteForm::kUnknown: return unknown(call);
      case TfliteForm::kSplit:
      case TfliteForm::kConstant: break;
    }
    throw std::logic_error("a form that lower() has dealt with");
  }

  Window strides(const Call& call) const {
    Window window;
    window.stride = std::max(call.option(kStrideH), call.option(kStrideW));
    return window;
  }

  Operation conv(const Call& call) const {
    const Shape shape = weights(call, 1, 4);  // outputs, height, width, inputs of a group
    Window window = strides(call);
    window.kernel_height = shape[1];
    window.kernel_width = shape[2];
    if (shape[3] < 1 || call.data.size(-1) % shape[3] != 0) {
      fail_model("weights for " + std::to_string(shape[3]) + " channels do not fit " +
                 std::to_string(call.data.size(-1)));
    }
    window.groups = call.data.size(-1) / shape[3];
    return lowering_.window(KernelOp::kConv, call.data, call.result, window);
  }

  Operation depthwise(const Call& call) const {
    const Shape shape = weights(call, 1, 4);  // 1, height, width, outputs
    Window window = strides(call);
    window.kernel_height = shape[1];
    window.kernel_width = shape[2];
    window.groups = call.data.size(-1);
    return lowering_.window(KernelOp::kConv, call.data, call.result, window);
  }

  Operation conv3d(const Call& call) const {
    const Shape shape = weights(call, 1, 5);  // depth, height, width, inputs, outputs
    Window window;
    window.kernel_height = shape[0] * shape[1];
    window.kernel_width = shape[2];
    window.stride = std::max({call.option(1), call.option(2), call.option(3)});
    return lowering_.window(KernelOp::kConv, call.data, call.result, window);
  }

  Operation transpose_conv(const Call& call) const {
    const Shape shape = weights(call, 1, 4);  // outputs, height, width, inputs
    Window window = strides(call);
    window.kernel_height = shape[1];
    window.kernel_width = shape[2];
    return lowering_.window(KernelOp::kConvTranspose, call.data, call.result, window);
  }

  Operation pool(const Call& call) const {
    Window window = strides(call);
    window.kernel_height = call.option(kFilterH);
    window.kernel_width = call.option(kFilterW);
    return lowering_.window(call.rule.op, call.data, call.result, window);
  }

  Operation fully_connected(const Call& call) const {
    const Value matrix = input(call, 1);
    const Value rows = input(call, 0);
    if (matrix.shape.size() != 2) {
      fail_model("has weights of the size " + shape_text(matrix.shape));
    }
    const std::int64_t outputs = matrix.shape[0];
    const std::int64_t inputs = matrix.shape[1];
    if (matrix.constant) return lowering_.linear(rows, call.result, inputs, outputs);
    return lowering_.matmul(rows, matrix, call.result, inputs, outputs);
  }

  Operation batch_matmul(const Call& call) const {
    const Value left = input(call, 0);
    const Value right = input(call, 1);
    const std::int64_t inner = left.size(call.flag(0) ? -2 : -1);
    const std::int64_t columns = call.result.size(-1);
    if (right.constant && right.elements() == inner * columns && !call.flag(0)) {
      return lowering_.linear(left, call.result, inner, columns);
    }
    return lowering_.matmul(left, right, call.result, inner, columns);
  }

  Operation join(const Call& call) const {
    if (call.inputs.size() < 2) return lowering_.make(call.rule.op, call.data, call.result);
    return lowering_.join(call.rule.op, input(call, 0), input(call, 1), call.result);
  }

  // MAXIMUM and MINIMUM: with a constant, a relu or a bounded one.
  Operation clamp(const Call& call) const {
    if (!input(call, 0).constant && !input(call, 1).constant) return join(call);
    Operation made = lowering_.make(KernelOp::kRelu, call.data, call.result);
    made.bounded = call.rule.bounded;
    return made;
  }

  Operation softmax(const Call& call) const {
    Value rows = call.data;
    rows.shape = {rows.elements() / std::max<std::int64_t>(rows.size(-1), 1), rows.size(-1)};
    return lowering_.make(KernelOp::kSoftmax, rows, rows);
  }

  Operation transpose(const Call& call) const {
    std::vector<std::size_t> order;
    if (call.inputs.size() > 1) {
      for (const double axis : model_.content(checked(call.inputs[1]))) {
        if (axis >= 0 && axis < kMaxRank) order.push_back(static_cast<std::size_t>(axis));
      }
    }
    if (order.size() != call.data.shape.size()) {
      return lowering_.make(KernelOp::kTranspose, call.data, call.result);
    }
    return lowering_.transpose(call.data, call.result, order);
  }

  // Of a constant table a lookup, else a slice. EMBEDDING_LOOKUP has the table second.
  Operation gather(const Call& call) const {
    const bool table = input(call, 0).constant || input(call, 1).constant;
    const bool lookup = table && call.data.integer;
    if (lookup) return lowering_.lookup(call.data, call.result);
    return lowering_.make(KernelOp::kSlice, call.data, call.result);
  }

  Operation many(const Call& call) const {
    std::vector<Value> values;
    for (const std::int32_t tensor : call.inputs) {
      if (tensor >= 0) values.push_back(value_of(tensor));
    }
    std::vector<const Value*> pointers;
    for (const Value& value : values) pointers.push_back(&value);
    return lowering_.gather(call.rule.op, pointers, call.result);
  }

  Operation single(const Call& call) const {
    Operation made = lowering_.make(call.rule.op, call.data, call.result);
    made.bounded = call.rule.bounded;
    made.root = call.rule.root || is_root(call);
    return made;
  }

  // POW with an exponent of 1/2 or -1/2.
  bool is_root(const Call& call) const {
    if (!call.rule.power || call.inputs.size() < 2 || call.inputs[1] < 0) return false;
    const std::vector<double> exponent = model_.content(checked(call.inputs[1]));
    return exponent.size() == 1 && std::abs(exponent[0]) == 0.5;
  }

  Operation unknown(Call call) const {
    if (call.result.elements() == 0) call.result.shape.clear();  // known when it runs
    Operation made = many(call);
    made.unknown = model_.unknown_name(call.op);
    return made;
  }

  void split(const Call& call) {
    for (const std::int32_t output : call.outputs) {
      const Value part = result_of(output);
      sources_[checked(output)] =
          lowering_.add(lowering_.make(KernelOp::kSlice, call.data, part));
    }
  }

  static void activate(Operation& operation, const Call& call) {
    if (call.rule.activation < 0 || !call.options) return;
    const auto field = static_cast<unsigned>(call.rule.activation);
    switch (call.options->number<std::int8_t>(field, 0)) {
      case 0: return;
      case 4: operation.kernel.activation = KernelOp::kActivation; return;  // tanh
      default: operation.kernel.activation = KernelOp::kRelu;
    }
  }

  const TfliteModel& model_;
  Lowering lowering_;
  std::vector<int> sources_;  // the operation that computes each tensor
  std::vector<bool> folded_;  // computed from constants alone
  std::size_t tensors_read_ = 0;
};

}  // namespace

bool is_tflite(const std::uint8_t* data, std::size_t size) noexcept {
  return size >= 8 && std::memcmp(data + 4, "TFL3", 4) == 0;
}

OperationGraph read_tflite(const std::uint8_t* data, std::size_t size,
                           std::vector<ModelInput>& inputs) {
  const TfliteModel model(FlatBytes(data, size));
  return TfliteLowering(model).run(inputs);
}

}  // namespace edgewise
