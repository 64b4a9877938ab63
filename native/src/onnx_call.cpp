#include "onnx_call.hpp"

#include <utility>

#include "edgewise/error.hpp"

namespace edgewise {

std::int64_t to_integer(double number) noexcept {
  constexpr double kMost = 9.0e15;  // exact in both types, and more than any size
  if (!(number == number)) return 0;
  if (number > kMost) return static_cast<std::int64_t>(kMost);
  if (number < -kMost) return -static_cast<std::int64_t>(kMost);
  return static_cast<std::int64_t>(number);
}

OnnxCall::OnnxCall(const OnnxNode& node, std::int64_t opset, std::vector<const Value*> inputs,
                   Lowering& lowering)
    : node_(node), opset_(opset), inputs_(std::move(inputs)), lowering_(lowering) {
  for (const Value* input : inputs_) constant_ = constant_ && (input == nullptr || input->constant);
}

const Value& OnnxCall::in(std::size_t input) const {
  if (!has(input)) fail_model("has no input " + std::to_string(input));
  const Value& value = *inputs_[input];
  if (!value.known) {
    fail_model("needs the size of '" + printable(node_.inputs[input]) + "', which operator " +
               value.origin + " computes; its sizes are not known here, so store them in the file "
               "(onnx.shape_inference)");
  }
  return value;
}

const std::vector<double>& OnnxCall::numbers(std::size_t input) const {
  const Value& value = in(input);
  if (!value.has_content) {
    fail_model("its sizes depend on the numbers in '" + printable(node_.inputs[input]) +
               "', which are computed while the network runs; export the model with fixed shapes");
  }
  return value.content;
}

std::vector<std::int64_t> OnnxCall::integers(std::size_t input) const {
  std::vector<std::int64_t> integers;
  for (const double number : numbers(input)) integers.push_back(to_integer(number));
  return integers;
}

std::vector<std::int64_t> OnnxCall::integers(std::size_t input, std::string_view attribute) const {
  return has(input) ? integers(input) : node_.integers(attribute);
}

Value& OnnxCall::out(Shape shape, std::size_t index) { return out(std::move(shape), in(0), index); }

Value& OnnxCall::out(Shape shape, const Value& like, std::size_t index) {
  check_shape(shape);
  if (index > kMaxModelParts) fail_model("too many outputs");
  if (outputs_.size() <= index) outputs_.resize(index + 1);
  Value& value = outputs_[index];
  value.shape = std::move(shape);
  value.element_bytes = like.element_bytes;
  value.integer = like.integer;
  value.channels_last = like.channels_last;
  value.constant = constant_;
  return value;
}

void OnnxCall::emit(Operation operation) {
  if (constant_) return;
  const int source = lowering_.add(std::move(operation));
  for (; computed_ < outputs_.size(); ++computed_) outputs_[computed_].source = source;
}

void OnnxCall::emit(KernelOp op, const Value& input, const Value& output) {
  if (!constant_) emit(lowering_.make(op, input, output));
}

}  // namespace edgewise
