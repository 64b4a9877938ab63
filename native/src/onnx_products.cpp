// Matrix products.
#include <algorithm>
#include <array>
#include <utility>

#include "onnx_call.hpp"

namespace edgewise {
namespace {

Shape prefix(const Shape& shape, std::size_t dropped) {
  return {shape.begin(), shape.end() - static_cast<std::ptrdiff_t>(dropped)};
}

Shape product_shape(const Shape& left, const Shape& right) {
  Shape shape = broadcast(prefix(left, 2), prefix(right, 2));
  shape.push_back(left[left.size() - 2]);
  shape.push_back(right.back());
  return shape;
}

// numpy's matmul of any ranks.
void matmul(OnnxCall& call, std::size_t right_at) {
  Value left = call.in(0);
  Value right = call.in(right_at);
  if (left.shape.empty() || right.shape.empty()) fail_model("a product with a single number");
  const bool row = left.shape.size() == 1;
  const bool column = right.shape.size() == 1;
  if (row) left.shape.insert(left.shape.begin(), 1);
  if (column) right.shape.push_back(1);
  const std::int64_t inner = left.shape.back();
  const std::int64_t columns = right.shape.back();
  if (right.size(-2) != inner) {
    fail_model("matrices of the sizes " + shape_text(left.shape) + " and " +
               shape_text(right.shape) + " have no product");
  }
  Value result = left;
  result.shape = product_shape(left.shape, right.shape);
  result.channels_last = true;
  const bool weights = right.constant && right.elements() == inner * columns;
  Operation operation;
  if (!call.constant()) {
    operation = weights ? call.lowering().linear(left, result, inner, columns)
                        : call.lowering().matmul(left, right, result, inner, columns);
  }
  Shape shape = result.shape;
  if (column) shape.pop_back();
  if (row) shape.erase(shape.end() - (column ? 1 : 2));
  call.out(std::move(shape), left.constant ? right : left).channels_last = true;
  call.emit(std::move(operation));
}

void gemm(OnnxCall& call) {
  const Value& left = call.in(0);
  const Value& right = call.in(1);
  if (left.shape.size() != 2 || right.shape.size() != 2) fail_model("two matrices are needed");
  const bool across = call.node().integer("transA", 0) != 0;
  const bool turned = call.node().integer("transB", 0) != 0;
  const std::int64_t rows = left.shape[across ? 1 : 0];
  const std::int64_t inner = left.shape[across ? 0 : 1];
  const std::int64_t columns = right.shape[turned ? 0 : 1];
  if (right.shape[turned ? 1 : 0] != inner) {
    fail_model("matrices of the sizes " + shape_text(left.shape) + " and " +
               shape_text(right.shape) + " have no product");
  }
  Value& result = call.out({rows, columns}, left.constant ? right : left);
  result.channels_last = true;
  if (call.constant()) return;
  const bool weights = right.constant;
  call.emit(weights ? call.lowering().linear(left, result, inner, columns)
                    : call.lowering().matmul(left, right, result, inner, columns));
}

// An equation of letters, as "bij,bjk->bik": sizes by letter. No "...".
class Equation {
 public:
  Equation(std::string_view text, const Value& left, const Value& right) {
    std::array<std::string, 3> terms;
    std::size_t term = 0;
    for (const char c : text) {
      if (c == ',' || c == '>') {
        if (++term == terms.size()) fail_model("an equation of more than two inputs");
      } else if (c >= 'a' && c <= 'z') {
        terms[term] += c;
      } else if (c != ' ' && c != '-') {
        fail_model("an equation that is not understood");
      }
    }
    if (term != 2) fail_model("an equation of more or less than two inputs");
    left_ = terms[0];
    right_ = terms[1];
    result_ = terms[2];
    read(left_, left.shape);
    read(right_, right.shape);
  }

  Shape shape() const {
    Shape shape;
    for (const char c : result_) shape.push_back(sizes_[index(c)]);
    return shape;
  }

  // The elements along the letters that are in the right term and, as said, in the others.
  std::int64_t elements(bool in_left, bool in_result) const {
    std::int64_t product = 1;
    for (const char c : right_) {
      const bool fits = (left_.find(c) != std::string::npos) == in_left &&
                        (result_.find(c) != std::string::npos) == in_result;
      if (fits) product *= sizes_[index(c)];
    }
    return product;
  }

 private:
  static std::size_t index(char c) { return static_cast<std::size_t>(c - 'a'); }

  void read(const std::string& term, const Shape& shape) {
    if (term.size() != shape.size()) fail_model("an equation that does not fit its inputs");
    for (std::size_t i = 0; i < term.size(); ++i) sizes_[index(term[i])] = shape[i];
  }

  std::string left_, right_, result_;
  std::array<std::int64_t, 26> sizes_{};
};

void einsum(OnnxCall& call) {
  const Value& left = call.in(0);
  const Value& right = call.in(1);
  const Equation equation(call.node().text("equation"), left, right);
  Value& result = call.out(equation.shape(), left.constant ? right : left);
  result.channels_last = true;
  if (call.constant()) return;
  const std::int64_t inner = equation.elements(true, false);
  const std::int64_t columns = equation.elements(false, true);
  Value rows = result;  // as a batch of matrices, whatever the order of its letters
  const std::int64_t batch = std::max<std::int64_t>(equation.elements(true, true), 1);
  rows.shape = {batch, result.elements() / batch / std::max<std::int64_t>(columns, 1), columns};
  call.emit(call.lowering().matmul(left, right, rows, inner, columns));
}

}  // namespace

void add_onnx_products(OnnxHandlers& handlers) {
  handlers["MatMul"] = [](OnnxCall& call) { matmul(call, 1); };
  handlers["MatMulInteger"] = [](OnnxCall& call) { matmul(call, 1); };
  handlers["QLinearMatMul"] = [](OnnxCall& call) { matmul(call, 3); };
  handlers["Gemm"] = gemm;
  handlers["Einsum"] = einsum;
}

}  // namespace edgewise
