// Functions of single elements, joins of two tensors, normalisations and reductions.
#include <algorithm>
#include <cmath>
#include <utility>

#include "onnx_call.hpp"

namespace edgewise {
namespace {

void single(OnnxCall& call, KernelOp op) {
  const Value& input = call.in(0);
  const Value& output = call.out(input.shape);
  call.emit(op, input, output);
}

void root(OnnxCall& call) {
  const Value& input = call.in(0);
  if (call.constant()) return single(call, KernelOp::kActivation);
  Operation made = call.lowering().make(KernelOp::kActivation, input, call.out(input.shape));
  made.root = true;
  call.emit(std::move(made));
}

void relu(OnnxCall& call, bool bounded) {
  const Value& input = call.in(0);
  if (call.constant()) return single(call, KernelOp::kRelu);
  Operation made = call.lowering().make(KernelOp::kRelu, input, call.out(input.shape));
  made.bounded = bounded;
  call.emit(std::move(made));
}

void clip(OnnxCall& call) { relu(call, call.has(2) || call.node().has("max")); }

const Value& larger(const Value& left, const Value& right) {
  if (left.constant != right.constant) return left.constant ? right : left;
  return right.elements() > left.elements() ? right : left;
}

void join(OnnxCall& call, KernelOp op, std::size_t right_at = 1) {
  const Value& left = call.in(0);
  const Value& right = call.in(right_at);
  const Value& output = call.out(broadcast(left.shape, right.shape), larger(left, right));
  if (!call.constant()) call.emit(call.lowering().join(op, left, right, output));
}

// Comparisons: the result is a truth value.
void compare(OnnxCall& call) {
  const Value& left = call.in(0);
  const Value& right = call.in(1);
  Value& output = call.out(broadcast(left.shape, right.shape), larger(left, right));
  output.element_bytes = 1;
  output.integer = true;
  call.emit(KernelOp::kActivation, larger(left, right), output);
}

void power(OnnxCall& call) {
  const Value& base = call.in(0);
  const Value& exponent = call.in(1);
  const Value& output = call.out(broadcast(base.shape, exponent.shape), larger(base, exponent));
  if (call.constant()) return;
  if (!exponent.constant) {
    call.emit(call.lowering().join(KernelOp::kAdd, base, exponent, output));
    return;
  }
  Operation made = call.lowering().make(KernelOp::kActivation, larger(base, exponent), output);
  made.root = exponent.has_content && exponent.content.size() == 1 &&
              std::abs(exponent.content[0]) == 0.5;
  call.emit(std::move(made));
}

// Sum, Mean, Max and Min of any number of tensors: one addition each. The largest or smallest of
// a tensor and a number is a relu.
void many(OnnxCall& call, bool clamps, bool bounded) {
  const bool scalar = call.count() == 2 && (call.in(0).elements() == 1 || call.in(1).elements() == 1);
  if (clamps && scalar && call.in(0).constant != call.in(1).constant) {
    const Value& input = larger(call.in(0), call.in(1));
    const Value& output = call.out(broadcast(call.in(0).shape, call.in(1).shape), input);
    Operation made = call.lowering().make(KernelOp::kRelu, input, output);
    made.bounded = bounded;
    call.emit(std::move(made));
    return;
  }
  Shape shape = call.in(0).shape;
  std::vector<const Value*> inputs;
  for (std::size_t i = 0; i < call.count(); ++i) {
    shape = broadcast(shape, call.in(i).shape);
    inputs.push_back(&call.in(i));
  }
  const Value& output = call.out(std::move(shape));
  if (!call.constant()) call.emit(call.lowering().gather(KernelOp::kAdd, inputs, output));
}

void where(OnnxCall& call) {
  const Shape shape = broadcast(call.in(0).shape, broadcast(call.in(1).shape, call.in(2).shape));
  const Value& output = call.out(shape, larger(call.in(1), call.in(2)));
  if (call.constant()) return;
  call.emit(call.lowering().gather(KernelOp::kActivation,
                                   {&call.in(1), &call.in(2), &call.in(0)}, output));
}

// A cast to a type of the same size is none.
void cast(OnnxCall& call) {
  const Value& input = call.in(0);
  Value& output = call.out(input.shape);
  if (call.has(1)) {  // CastLike
    output.element_bytes = call.in(1).element_bytes;
    output.integer = call.in(1).integer;
  } else {
    set_onnx_type(output, call.node().integer("to", 1));
  }
  if (output.element_bytes == input.element_bytes && output.integer == input.integer) {
    output.source = input.source;
  } else {
    call.emit(KernelOp::kActivation, input, output);
  }
}

void identity(OnnxCall& call) {
  Value copy = call.in(0);
  call.outputs().assign(1, std::move(copy));
  if (call.node().op == "Dropout" && call.node().outputs.size() > 1) {
    call.outputs().push_back(call.outputs()[0]);  // the mask, which nothing uses outside training
  }
}

// Runtimes compute in integers between a QuantizeLinear and the DequantizeLinear before the next,
// so only the type is changed here. The network's own inputs are quantised when it runs.
void quantize(OnnxCall& call) {
  const Value& input = call.in(0);
  Value& output = call.out(input.shape);
  output.source = input.source;
  output.element_bytes = 1;
  if (input.source < 0) {
    call.emit(KernelOp::kActivation, input, output);
  }
}

void dequantize(OnnxCall& call) {
  const Value& input = call.in(0);
  Value& output = call.out(input.shape);
  output.source = input.source;
  output.integer = false;
}

void dynamic_quantize(OnnxCall& call) {
  const Value input = call.in(0);
  call.out(input.shape).element_bytes = 1;
  call.out({}, 1);
  call.out({}, 2);
  call.emit(KernelOp::kActivation, input, call.outputs()[0]);
}

void normalize(OnnxCall& call, KernelOp op, bool last) {
  const Value input = call.in(0);
  Value& output = call.out(input.shape);
  if (last) output.channels_last = true;
  call.emit(op, input, output);
}

void softmax(OnnxCall& call) {
  const Value& input = call.in(0);
  call.out(input.shape);
  if (call.constant()) return;
  Value rows = input;
  const bool flat = call.opset() < 13;  // then over all dimensions from the axis on
  const std::int64_t axis = call.node().integer("axis", flat ? 1 : -1);
  std::int64_t columns = 1;
  if (!input.shape.empty()) {
    const std::size_t first = axis_index(axis, input.shape.size());
    columns = input.shape[first];
    for (std::size_t i = first + 1; flat && i < input.shape.size(); ++i) columns *= input.shape[i];
  }
  rows.shape = {input.elements() / std::max<std::int64_t>(columns, 1), columns};
  call.emit(KernelOp::kSoftmax, rows, rows);
}

std::vector<bool> reduced_axes(const OnnxCall& call, std::size_t rank) {
  std::vector<bool> reduced(rank, false);
  const std::vector<std::int64_t> axes = call.integers(1, "axes");
  for (const std::int64_t axis : axes) reduced[axis_index(axis, rank)] = true;
  if (axes.empty() && call.node().integer("noop_with_empty_axes", 0) == 0) reduced.assign(rank, true);
  return reduced;
}

Shape reduced_shape(const Shape& shape, const std::vector<bool>& reduced, bool keep) {
  Shape result;
  for (std::size_t i = 0; i < shape.size(); ++i) {
    if (!reduced[i]) result.push_back(shape[i]);
    if (reduced[i] && keep) result.push_back(1);
  }
  return result;
}

void reduce(OnnxCall& call, bool mean) {
  const Value& input = call.in(0);
  const std::vector<bool> reduced = reduced_axes(call, input.shape.size());
  const bool keep = call.node().integer("keepdims", 1) != 0;
  Value& output = call.out(reduced_shape(input.shape, reduced, keep));
  // Without its pixels an image is a row of channels.
  if (!keep && output.shape.size() < 3) output.channels_last = true;
  if (!call.constant()) call.emit(call.lowering().reduce(input, output, mean));
}

void arg_max(OnnxCall& call) {
  const Value& input = call.in(0);
  std::vector<bool> reduced(input.shape.size(), false);
  reduced[axis_index(call.node().integer("axis", 0), input.shape.size())] = true;
  const bool keep = call.node().integer("keepdims", 1) != 0;
  Value& output = call.out(reduced_shape(input.shape, reduced, keep));
  set_onnx_type(output, 7);
  if (!call.constant()) call.emit(call.lowering().reduce(input, output, false));
}

}  // namespace

void add_onnx_elements(OnnxHandlers& handlers) {
  for (const char* name :
       {"LeakyRelu", "Elu", "Selu", "Celu", "ThresholdedRelu", "PRelu", "Tanh", "Erf", "Exp", "Log",
        "Abs", "Neg", "Floor", "Ceil", "Round", "Sin", "Cos", "Tan", "Asin", "Acos", "Atan", "Sinh",
        "Cosh", "Asinh", "Acosh", "Atanh", "Softplus", "Softsign", "Gelu", "FastGelu", "QuickGelu",
        "Mish", "Swish", "Not", "Sign", "Reciprocal", "IsNaN", "IsInf", "Trilu", "CumSum",
        "BitwiseNot", "Shrink", "QLinearLeakyRelu"}) {
    handlers[name] = [](OnnxCall& call) { single(call, KernelOp::kActivation); };
  }
  handlers["Sigmoid"] = [](OnnxCall& call) { single(call, KernelOp::kSigmoid); };
  handlers["QLinearSigmoid"] = handlers["Sigmoid"];
  handlers["HardSigmoid"] = [](OnnxCall& call) { single(call, KernelOp::kHardSigmoid); };
  handlers["HardSwish"] = [](OnnxCall& call) { single(call, KernelOp::kHardSwish); };
  handlers["Relu"] = [](OnnxCall& call) { relu(call, false); };
  handlers["Clip"] = clip;
  handlers["Sqrt"] = root;
  handlers["Pow"] = power;
  for (const char* name : {"Add", "Sub"}) {
    handlers[name] = [](OnnxCall& call) { join(call, KernelOp::kAdd); };
  }
  for (const char* name : {"Mul", "Div"}) {
    handlers[name] = [](OnnxCall& call) { join(call, KernelOp::kMul); };
  }
  handlers["QLinearAdd"] = [](OnnxCall& call) { join(call, KernelOp::kAdd, 3); };
  handlers["QLinearMul"] = [](OnnxCall& call) { join(call, KernelOp::kMul, 3); };
  for (const char* name : {"Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "And", "Or",
                           "Xor", "Mod", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor"}) {
    handlers[name] = compare;
  }
  for (const char* name : {"Sum", "Mean"}) {
    handlers[name] = [](OnnxCall& call) { many(call, false, false); };
  }
  handlers["Max"] = [](OnnxCall& call) { many(call, true, false); };
  handlers["Min"] = [](OnnxCall& call) { many(call, true, true); };
  handlers["Where"] = where;
  handlers["Cast"] = cast;
  handlers["CastLike"] = cast;
  handlers["Identity"] = identity;
  handlers["Dropout"] = identity;
  handlers["QuantizeLinear"] = quantize;
  handlers["DequantizeLinear"] = dequantize;
  handlers["DynamicQuantizeLinear"] = dynamic_quantize;
  handlers["BatchNormalization"] = [](OnnxCall& call) {
    normalize(call, KernelOp::kBatchNorm, false);
  };
  for (const char* name : {"LayerNormalization", "RMSNormalization",
                           "SimplifiedLayerNormalization"}) {
    handlers[name] = [](OnnxCall& call) { normalize(call, KernelOp::kLayerNorm, true); };
  }
  for (const char* name : {"InstanceNormalization", "GroupNormalization", "LpNormalization",
                           "MeanVarianceNormalization", "LRN"}) {
    handlers[name] = [](OnnxCall& call) { normalize(call, KernelOp::kLayerNorm, false); };
  }
  for (const char* name : {"Softmax", "LogSoftmax", "Hardmax"}) handlers[name] = softmax;
  for (const char* name : {"ReduceMean", "ReduceSum", "ReduceSumSquare", "ReduceL2"}) {
    handlers[name] = [](OnnxCall& call) { reduce(call, true); };
  }
  for (const char* name : {"ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceLogSum",
                           "ReduceLogSumExp"}) {
    handlers[name] = [](OnnxCall& call) { reduce(call, false); };
  }
  handlers["ArgMax"] = arg_max;
  handlers["ArgMin"] = arg_max;
}

}  // namespace edgewise
