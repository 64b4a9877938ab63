#include "lowering.hpp"

#include <algorithm>
#include <limits>
#include <utility>

namespace edgewise {
namespace {

int narrow(std::int64_t size) {
  if (size < 1 || size > std::numeric_limits<int>::max()) {
    fail_model("a size of " + std::to_string(size) + " where at least 1 is needed");
  }
  return static_cast<int>(size);
}

Extent extent_of(std::int64_t batch, std::int64_t height, std::int64_t width,
                 std::int64_t channels) {
  return {narrow(batch), narrow(height), narrow(width), narrow(channels)};
}

void set_input(Kernel& kernel, const Extent& extent) {
  kernel.batch = extent.batch;
  kernel.height = extent.height;
  kernel.width = extent.width;
  kernel.in_channels = extent.channels;
}

void set_output(Kernel& kernel, const Extent& extent) {
  kernel.out_height = extent.height;
  kernel.out_width = extent.width;
  kernel.out_channels = extent.channels;
}

}  // namespace

Extent Lowering::extent(const Value& value) const {
  const Shape& shape = value.shape;
  const std::size_t rank = shape.size();
  const std::int64_t elements = value.elements();
  if (elements == 0) fail_model("a tensor of the size " + shape_text(shape) + " is empty");
  if (rank == 0) return {};
  if (rank == 1) return extent_of(1, 1, 1, shape[0]);
  const bool last = value.channels_last || rank == 2;
  const std::int64_t channels = last ? shape.back() : shape[1];
  // What does not begin with the model's batch holds it in its rows, as (batch x tokens, C) does.
  const bool whole = shape[0] % batch_ == 0;
  const bool image = rank >= 4 && shape[0] == batch_;
  const std::int64_t batch = image || !whole ? shape[0] : batch_;
  const std::int64_t pixels = elements / channels / batch;
  if (!image) return extent_of(batch, 1, pixels, channels);
  const std::int64_t width = last ? shape[rank - 2] : shape[rank - 1];
  return extent_of(batch, pixels / width, width, channels);
}

Operation Lowering::make(KernelOp op, const Value& input, const Value& output) const {
  Operation made;
  made.kernel.op = op;
  if (!input.constant) made.kernel.inputs = {input.source};
  made.kernel.element_bytes = input.element_bytes;
  const Extent from = extent(input);
  const Extent to = extent(output);
  set_input(made.kernel, from);
  set_output(made.kernel, to);
  // Both must count the elements of one batch; only the input's batch is kept.
  if (from.batch != to.batch) {
    const std::int64_t elements = output.elements();
    const bool fits = elements % from.batch == 0;
    const std::int64_t channels =
        fits && elements / from.batch % to.channels == 0 ? to.channels : 1;
    made.kernel.batch = fits ? from.batch : 1;
    if (!fits) made.kernel.height = narrow(std::int64_t{from.height} * from.batch);
    made.kernel.out_height = 1;
    made.kernel.out_width = narrow(elements / made.kernel.batch / channels);
    made.kernel.out_channels = narrow(channels);
  }
  return made;
}

Operation Lowering::window(KernelOp op, const Value& input, const Value& output,
                           const Window& window) const {
  Operation made = make(op, input, output);
  Kernel& kernel = made.kernel;
  kernel.kernel_height = narrow(window.kernel_height);
  kernel.kernel_width = narrow(window.kernel_width);
  kernel.stride = narrow(window.stride);
  kernel.groups = narrow(window.groups);
  if (kernel.in_channels % kernel.groups != 0 || kernel.out_channels % kernel.groups != 0) {
    fail_model(std::to_string(kernel.groups) + " groups do not divide " +
               std::to_string(kernel.in_channels) + " and " +
               std::to_string(kernel.out_channels) + " channels");
  }
  const bool pool = op == KernelOp::kAvgPool || op == KernelOp::kMaxPool;
  const bool whole = kernel.kernel_height >= kernel.height && kernel.kernel_width >= kernel.width;
  if (pool && whole && kernel.out_height == 1 && kernel.out_width == 1) {
    kernel.op = KernelOp::kGlobalAvgPool;
    kernel.stride = 1;
  }
  return made;
}

Operation Lowering::linear(const Value& input, const Value& output, std::int64_t inputs,
                           std::int64_t outputs) const {
  if (inputs < 1 || outputs < 1 || input.elements() % inputs != 0 ||
      output.elements() != input.elements() / inputs * outputs) {
    fail_model("a product of " + shape_text(input.shape) + " and a matrix (" +
               std::to_string(inputs) + ", " + std::to_string(outputs) + ") gives no " +
               shape_text(output.shape));
  }
  // A matrix does not care how its rows are arranged; an image keeps its sides.
  Value rows = input;
  rows.channels_last = true;
  if (rows.shape.empty() || rows.shape.back() != inputs) {
    rows.shape = {input.elements() / inputs, inputs};
  }
  Value result = rows;
  result.shape.back() = outputs;
  return make(KernelOp::kLinear, rows, result);
}

Operation Lowering::matmul(const Value& left, const Value& right, const Value& output,
                           std::int64_t inner, std::int64_t columns) const {
  const std::int64_t elements = output.elements();
  if (inner < 1 || columns < 1 || elements == 0 || elements % columns != 0) {
    fail_model("a product of " + shape_text(left.shape) + " and " + shape_text(right.shape) +
               " gives no " + shape_text(output.shape));
  }
  std::int64_t batch = 1;
  for (std::size_t i = 0; i + 2 < output.shape.size(); ++i) batch *= output.shape[i];
  const std::int64_t rows = elements / columns / batch;
  Operation made;
  made.kernel.op = KernelOp::kMatMul;
  made.kernel.element_bytes = std::max(left.element_bytes, right.element_bytes);
  set_input(made.kernel, extent_of(batch, 1, rows, inner));
  set_output(made.kernel, extent_of(batch, 1, rows, columns));
  for (const Value* value : {&left, &right}) {
    if (!value->constant) made.kernel.inputs.push_back(value->source);
  }
  return made;
}

Operation Lowering::join(KernelOp op, const Value& left, const Value& right,
                         const Value& output) const {
  // The larger first: a kernel's sizes are those of its first input.
  const bool swapped = left.constant || (!right.constant && right.elements() > left.elements());
  const Value& first = swapped ? right : left;
  const Value& second = swapped ? left : right;
  Operation made = make(op, first, output);
  if (!second.constant) {
    made.kernel.inputs.push_back(second.source);
  } else if (second.elements() == 1) {
    made.operand = Operand::kScalar;
  } else {
    const bool channels = second.elements() == made.kernel.out_channels;
    made.operand = channels ? Operand::kChannels : Operand::kTensor;
  }
  return made;
}

Operation Lowering::gather(KernelOp op, const std::vector<const Value*>& inputs,
                           const Value& output) const {
  const Value* first = nullptr;
  for (const Value* input : inputs) {
    if (!input->constant && first == nullptr) first = input;
  }
  if (first == nullptr) fail_model("an operator without inputs");
  Operation made = make(op, *first, output);
  if (op == KernelOp::kConcat) {  // reads as much as it writes
    set_input(made.kernel, extent(output));
    set_output(made.kernel, extent(output));
  }
  made.kernel.inputs.clear();
  for (const Value* input : inputs) {
    if (!input->constant) made.kernel.inputs.push_back(input->source);
  }
  return made;
}

Operation Lowering::lookup(const Value& indices, const Value& output) const {
  Operation made;
  made.kernel.op = KernelOp::kLinear;
  made.kernel.inputs = {indices.source};
  made.kernel.element_bytes = output.element_bytes;
  const Extent to = extent(output);
  set_input(made.kernel, {to.batch, to.height, to.width, 1});
  set_output(made.kernel, to);
  return made;
}

Operation Lowering::reduce(const Value& input, const Value& output, bool mean) const {
  Operation made = make(KernelOp::kGlobalAvgPool, input, output);
  made.mean = mean;
  Kernel& kernel = made.kernel;
  if (kernel.in_channels == kernel.out_channels) {  // over pixels
    kernel.kernel_height = std::max(kernel.height / kernel.out_height, 1);
    kernel.kernel_width = std::max(kernel.width / kernel.out_width, 1);
  } else {
    kernel.kernel_width = narrow(std::max<std::int64_t>(input.elements() / output.elements(), 1));
  }
  return made;
}

Operation Lowering::transpose(const Value& input, const Value& output,
                              const std::vector<std::size_t>& order) const {
  std::vector<std::size_t> moved;  // the dimensions that have something to move
  for (const std::size_t axis : order) {
    if (axis < input.shape.size() && input.shape[axis] != 1) moved.push_back(axis);
  }
  const bool still = std::is_sorted(moved.begin(), moved.end());
  return make(still ? KernelOp::kReshape : KernelOp::kTranspose, input, output);
}

int Lowering::add(Operation operation) {
  readings_ += operation.kernel.inputs.size();
  if (operations_.size() >= kMaxModelParts || readings_ > kMaxModelParts) {
    fail_model("more than " + std::to_string(kMaxModelParts) + " operators or readings of tensors");
  }
  operations_.push_back(std::move(operation));
  return static_cast<int>(operations_.size()) - 1;
}

OperationGraph Lowering::finish(std::vector<int> outputs) {
  return {std::move(operations_), std::move(outputs)};
}

}  // namespace edgewise
