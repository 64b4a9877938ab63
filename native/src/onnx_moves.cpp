// What moves elements and computes nothing: reshapes, transposes, slices, joins, padding.
#include <algorithm>
#include <utility>

#include "onnx_call.hpp"

namespace edgewise {
namespace {

void moved(OnnxCall& call, KernelOp op, Shape shape) {
  const Value& input = call.in(0);
  const Value& output = call.out(std::move(shape));
  call.emit(op, input, output);
}

void reshape_to(OnnxCall& call, Shape shape) {
  check_shape(shape);
  if (element_count(shape) != call.in(0).elements()) {
    fail_model("cannot reshape " + shape_text(call.in(0).shape) + " to " + shape_text(shape));
  }
  if (shape == call.in(0).shape) {
    call.outputs().assign(1, Value(call.in(0)));
  } else {
    moved(call, KernelOp::kReshape, std::move(shape));
  }
}

// 0 stands for the input's size, -1 for what is left.
void reshape(OnnxCall& call) {
  const Shape& from = call.in(0).shape;
  Shape shape = call.integers(1, "shape");
  const bool zero_means_zero = call.node().integer("allowzero", 0) != 0;
  std::int64_t known = 1;
  std::size_t missing = shape.size();
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (shape[i] == 0 && !zero_means_zero && i < from.size()) shape[i] = from[i];
    if (shape[i] == -1) {
      if (missing != shape.size()) fail_model("two sizes are left open in " + shape_text(shape));
      missing = i;
    } else {
      if (shape[i] < 0 || shape[i] > call.in(0).elements()) {
        fail_model("cannot reshape " + shape_text(from) + " to " + shape_text(shape));
      }
      known = std::min(known * shape[i], std::int64_t{1} << 31);
    }
  }
  if (missing != shape.size()) shape[missing] = known == 0 ? 0 : call.in(0).elements() / known;
  reshape_to(call, std::move(shape));
}

void flatten(OnnxCall& call) {
  const Shape& from = call.in(0).shape;
  const std::int64_t axis = call.node().integer("axis", 1);
  const auto rank = static_cast<std::int64_t>(from.size());
  if (axis < -rank || axis > rank) fail_model("an axis out of range");
  const std::int64_t first = axis < 0 ? axis + rank : axis;
  Shape shape = {1, 1};
  for (std::int64_t i = 0; i < rank; ++i) shape[i < first ? 0 : 1] *= from[static_cast<std::size_t>(i)];
  reshape_to(call, std::move(shape));
}

void squeeze(OnnxCall& call) {
  const Shape& from = call.in(0).shape;
  const std::vector<std::int64_t> axes = call.integers(1, "axes");
  std::vector<bool> dropped(from.size(), false);
  for (const std::int64_t axis : axes) dropped[axis_index(axis, from.size())] = true;
  Shape shape;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const bool drop = axes.empty() ? from[i] == 1 : dropped[i];
    if (!drop) shape.push_back(from[i]);
  }
  reshape_to(call, std::move(shape));
}

void unsqueeze(OnnxCall& call) {
  const Shape& from = call.in(0).shape;
  const std::vector<std::int64_t> axes = call.integers(1, "axes");
  const std::size_t rank = from.size() + axes.size();
  if (rank > kMaxRank) fail_model("a tensor of too many dimensions");
  std::vector<bool> added(rank, false);
  for (const std::int64_t axis : axes) added[axis_index(axis, rank)] = true;
  if (std::count(added.begin(), added.end(), true) != static_cast<std::ptrdiff_t>(axes.size())) {
    fail_model("an axis twice");
  }
  Shape shape;
  std::size_t next = 0;
  for (std::size_t i = 0; i < rank; ++i) shape.push_back(added[i] ? 1 : from[next++]);
  reshape_to(call, std::move(shape));
}

void transpose(OnnxCall& call) {
  const Value& input = call.in(0);
  const std::size_t rank = input.shape.size();
  std::vector<std::size_t> order;
  for (const std::int64_t axis : call.node().integers("perm")) {
    order.push_back(axis_index(axis, rank));
  }
  if (order.empty()) {
    for (std::size_t i = rank; i-- > 0;) order.push_back(i);
  }
  std::vector<std::size_t> sorted = order;
  std::sort(sorted.begin(), sorted.end());
  Shape shape;
  for (std::size_t i = 0; i < order.size(); ++i) {
    if (order.size() != rank || sorted[i] != i) fail_model("perm is no order of the dimensions");
    shape.push_back(input.shape[order[i]]);
  }
  Value& output = call.out(std::move(shape));
  if (rank >= 3) {  // where the channels go
    const std::size_t channels = input.channels_last ? rank - 1 : 1;
    const auto place = std::find(order.begin(), order.end(), channels) - order.begin();
    if (place == 1) output.channels_last = false;
    if (place == static_cast<std::ptrdiff_t>(rank) - 1) output.channels_last = true;
  }
  if (!call.constant()) call.emit(call.lowering().transpose(input, output, order));
}

void concat(OnnxCall& call) {
  Shape shape = call.in(0).shape;
  const std::size_t axis = axis_index(call.node().integer("axis", 1), shape.size());
  std::vector<const Value*> inputs;
  const Value* like = &call.in(0);
  for (std::size_t i = 0; i < call.count(); ++i) {
    const Value& input = call.in(i);
    inputs.push_back(&input);
    if (like->constant && !input.constant) like = &input;
    if (i == 0) continue;
    Shape expected = shape;
    if (input.shape.size() == shape.size()) expected[axis] = input.shape[axis];
    if (expected != input.shape) {
      fail_model("tensors of the sizes " + shape_text(shape) + " and " + shape_text(input.shape) +
                 " cannot be joined");
    }
    shape[axis] += input.shape[axis];
    check_shape(shape);
  }
  const Value& output = call.out(std::move(shape), *like);
  if (!call.constant()) call.emit(call.lowering().gather(KernelOp::kConcat, inputs, output));
}

void split(OnnxCall& call) {
  const Value input = call.in(0);
  const std::size_t axis = axis_index(call.node().integer("axis", 0), input.shape.size());
  const auto parts = static_cast<std::int64_t>(call.node().outputs.size());
  std::vector<std::int64_t> sizes = call.integers(1, "split");
  if (sizes.empty()) {
    const std::int64_t each = (input.shape[axis] + parts - 1) / std::max<std::int64_t>(parts, 1);
    for (std::int64_t i = 0; i < parts; ++i) {
      sizes.push_back(std::min(each, input.shape[axis] - i * each));
    }
  }
  if (sizes.size() < static_cast<std::size_t>(parts)) fail_model("more outputs than sizes");
  for (std::size_t i = 0; i < static_cast<std::size_t>(parts); ++i) {
    Shape shape = input.shape;
    shape[axis] = sizes[i];
    const Value& part = call.out(std::move(shape), input, i);
    call.emit(KernelOp::kSlice, input, part);
  }
}

struct Range {
  std::int64_t start, end, step;
};

// How many elements a slice takes of a dimension, by numpy's rules.
std::int64_t slice_size(Range range, std::int64_t size) {
  if (range.step == 0) fail_model("a slice with the step 0");
  const bool back = range.step < 0;
  const auto place = [&](std::int64_t at) {
    if (at < 0) at += size;
    return std::clamp<std::int64_t>(at, back ? -1 : 0, back ? size - 1 : size);
  };
  const std::int64_t span = back ? place(range.start) - place(range.end)
                                 : place(range.end) - place(range.start);
  const std::int64_t step = back ? -range.step : range.step;
  return span <= 0 ? 0 : (span - 1) / step + 1;
}

void slice(OnnxCall& call) {
  Shape shape = call.in(0).shape;
  const bool old = call.count() < 3;  // everything was an attribute
  const auto starts = old ? call.node().integers("starts") : call.integers(1);
  const auto ends = old ? call.node().integers("ends") : call.integers(2);
  const auto axes = call.integers(3, "axes");
  const auto steps = call.has(4) ? call.integers(4) : std::vector<std::int64_t>{};
  if (starts.size() != ends.size()) fail_model("as many ends as starts are needed");
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::int64_t named = i < axes.size() ? axes[i] : static_cast<std::int64_t>(i);
    const std::size_t axis = axis_index(named, shape.size());
    const std::int64_t step = i < steps.size() ? steps[i] : 1;
    shape[axis] = slice_size({starts[i], ends[i], step}, call.in(0).shape[axis]);
  }
  if (shape == call.in(0).shape && std::all_of(steps.begin(), steps.end(),
                                               [](std::int64_t step) { return step > 0; })) {
    call.outputs().assign(1, Value(call.in(0)));
  } else {
    moved(call, KernelOp::kSlice, std::move(shape));
  }
}

void gather(OnnxCall& call) {
  const Value& data = call.in(0);
  const Value& indices = call.in(1);
  const std::size_t axis = axis_index(call.node().integer("axis", 0), data.shape.size());
  Shape shape(data.shape.begin(), data.shape.begin() + static_cast<std::ptrdiff_t>(axis));
  shape.insert(shape.end(), indices.shape.begin(), indices.shape.end());
  shape.insert(shape.end(), data.shape.begin() + static_cast<std::ptrdiff_t>(axis) + 1,
               data.shape.end());
  Value& output = call.out(std::move(shape), data);
  if (call.constant()) return;
  if (data.constant) {
    output.channels_last = true;
    call.emit(call.lowering().lookup(indices, output));
  } else {
    call.emit(KernelOp::kSlice, data, output);
  }
}

void gather_nd(OnnxCall& call) {
  const Value& data = call.in(0);
  const Value& indices = call.in(1);
  if (indices.shape.empty()) fail_model("indices without a dimension");
  const auto rank = static_cast<std::int64_t>(data.shape.size());
  const std::int64_t batch = call.node().integer("batch_dims", 0);
  if (batch < 0 || batch > rank || indices.shape.back() > rank - batch) {
    fail_model("more indices than dimensions");
  }
  const std::int64_t taken = indices.shape.back() + batch;
  Shape shape(indices.shape.begin(), indices.shape.end() - 1);
  shape.insert(shape.end(), data.shape.begin() + static_cast<std::ptrdiff_t>(taken),
               data.shape.end());
  moved(call, KernelOp::kSlice, std::move(shape));
}

void pad(OnnxCall& call) {
  Shape shape = call.in(0).shape;
  const auto pads = call.integers(1, "pads");
  const auto axes = call.has(3) ? call.integers(3) : std::vector<std::int64_t>{};
  const std::size_t count = axes.empty() ? shape.size() : axes.size();
  if (pads.size() != 2 * count) fail_model("two pads are needed for each dimension");
  for (std::size_t i = 0; i < count; ++i) {
    const std::size_t axis = axes.empty() ? i : axis_index(axes[i], shape.size());
    constexpr std::int64_t kMost = std::int64_t{1} << 32;  // refused below, and far from overflow
    shape[axis] += std::clamp(pads[i], -kMost, kMost) + std::clamp(pads[i + count], -kMost, kMost);
  }
  if (shape == call.in(0).shape) {
    call.outputs().assign(1, Value(call.in(0)));
  } else {
    moved(call, KernelOp::kPad, std::move(shape));
  }
}

void expand(OnnxCall& call) {
  Shape shape = broadcast(call.in(0).shape, call.integers(1));
  if (shape == call.in(0).shape) {
    call.outputs().assign(1, Value(call.in(0)));
  } else {
    moved(call, KernelOp::kResize, std::move(shape));
  }
}

void tile(OnnxCall& call) {
  Shape shape = call.in(0).shape;
  const auto repeats = call.integers(1);
  if (repeats.size() != shape.size()) fail_model("a number of repeats is needed for each dimension");
  for (std::size_t i = 0; i < shape.size(); ++i) {
    check_shape({repeats[i]});
    shape[i] *= repeats[i];
  }
  moved(call, KernelOp::kResize, std::move(shape));
}

// Moves blocks of pixels into channels, or back.
void blocks(OnnxCall& call, bool to_depth) {
  const Shape& from = call.in(0).shape;
  const std::int64_t block = call.node().integer("blocksize", 1);
  if (from.size() != 4 || block < 1 || block > (1 << 15)) {
    fail_model("blocks of " + std::to_string(block) + " pixels in " + shape_text(from));
  }
  const std::int64_t area = block * block;
  const bool fits = to_depth ? from[2] % block == 0 && from[3] % block == 0 : from[1] % area == 0;
  if (!fits) fail_model("the block does not divide " + shape_text(from));
  moved(call, KernelOp::kTranspose,
        to_depth ? Shape{from[0], from[1] * area, from[2] / block, from[3] / block}
                 : Shape{from[0], from[1] / area, from[2] * block, from[3] * block});
}

}  // namespace

void add_onnx_moves(OnnxHandlers& handlers) {
  handlers["Reshape"] = reshape;
  handlers["Flatten"] = flatten;
  handlers["Squeeze"] = squeeze;
  handlers["Unsqueeze"] = unsqueeze;
  handlers["Transpose"] = transpose;
  handlers["Concat"] = concat;
  handlers["Split"] = split;
  handlers["Slice"] = slice;
  handlers["Gather"] = gather;
  handlers["GatherND"] = gather_nd;
  handlers["GatherElements"] = [](OnnxCall& call) {
    moved(call, KernelOp::kSlice, call.in(1).shape);
  };
  for (const char* name : {"ScatterND", "ScatterElements", "Scatter"}) {
    handlers[name] = [](OnnxCall& call) { moved(call, KernelOp::kSlice, call.in(0).shape); };
  }
  handlers["ReverseSequence"] = [](OnnxCall& call) {
    moved(call, KernelOp::kTranspose, call.in(0).shape);
  };
  handlers["Pad"] = pad;
  handlers["Expand"] = expand;
  handlers["Tile"] = tile;
  handlers["DepthToSpace"] = [](OnnxCall& call) { blocks(call, false); };
  handlers["SpaceToDepth"] = [](OnnxCall& call) { blocks(call, true); };
}

}  // namespace edgewise
