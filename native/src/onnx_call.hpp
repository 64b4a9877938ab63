// One node of an ONNX graph while it is lowered, and the table of what can be lowered. A handler
// infers the sizes of the outputs and emits the operation that computes them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "lowering.hpp"
#include "model_value.hpp"
#include "onnx_model.hpp"

namespace edgewise {

class OnnxCall {
 public:
  OnnxCall(const OnnxNode& node, std::int64_t opset, std::vector<const Value*> inputs,
           Lowering& lowering);

  const OnnxNode& node() const noexcept { return node_; }
  std::int64_t opset() const noexcept { return opset_; }
  const Lowering& lowering() const noexcept { return lowering_; }
  bool constant() const noexcept { return constant_; }  // no input depends on the network's

  std::size_t count() const noexcept { return inputs_.size(); }
  bool has(std::size_t input) const { return input < count() && inputs_[input] != nullptr; }
  const Value& in(std::size_t input) const;  // refuses what is absent or of unknown size
  const Value* peek(std::size_t input) const { return has(input) ? inputs_[input] : nullptr; }

  // The numbers of an input, which must be known without running the network.
  const std::vector<double>& numbers(std::size_t input) const;
  std::vector<std::int64_t> integers(std::size_t input) const;
  // What old versions of an operator have as an attribute, and new ones as an input; or nothing.
  std::vector<std::int64_t> integers(std::size_t input, std::string_view attribute) const;

  // Sets output `index`: of that shape, and like `input` in everything else.
  Value& out(Shape shape, std::size_t index = 0);
  Value& out(Shape shape, const Value& like, std::size_t index = 0);
  std::vector<Value>& outputs() noexcept { return outputs_; }

  // Appends the operation that computes the outputs so far without a source; constants need none.
  void emit(Operation operation);
  void emit(KernelOp op, const Value& input, const Value& output);

 private:
  const OnnxNode& node_;
  std::int64_t opset_;
  std::vector<const Value*> inputs_;  // null where an optional one is absent
  Lowering& lowering_;
  bool constant_ = true;
  std::vector<Value> outputs_;
  std::size_t computed_ = 0;  // outputs that have a source
};

using OnnxHandler = std::function<void(OnnxCall&)>;
using OnnxHandlers = std::unordered_map<std::string_view, OnnxHandler>;

void add_onnx_windows(OnnxHandlers& handlers);   // convolutions, pools, resizing
void add_onnx_products(OnnxHandlers& handlers);  // matrix products
void add_onnx_elements(OnnxHandlers& handlers);  // functions of elements, normalisations, reductions
void add_onnx_moves(OnnxHandlers& handlers);     // what only moves elements
void add_onnx_sizes(OnnxHandlers& handlers);     // what computes sizes and constants

// Computes the small contents of a constant node's first output, where that is known how to.
void fold_onnx(OnnxCall& call);

// A real number as a size or an index; out of range it is clamped, NaN is 0.
std::int64_t to_integer(double number) noexcept;

}  // namespace edgewise
