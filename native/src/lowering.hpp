// Turns the operators of a model file, whichever its format, into operations: how tensors become
// the heights, widths and channels of kernels is decided here and nowhere else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "model_value.hpp"
#include "operation.hpp"

namespace edgewise {

// A tensor as an image of channels. Of a sequence or a matrix the height is 1.
struct Extent {
  int batch = 1;
  int height = 1;
  int width = 1;
  int channels = 1;
};

struct Window {
  std::int64_t kernel_height = 1;
  std::int64_t kernel_width = 1;
  std::int64_t stride = 1;
  std::int64_t groups = 1;
};

class Lowering {
 public:
  // The batch of the model, by which the rows of a matrix are told from a batch.
  void set_batch(std::int64_t batch) { batch_ = batch; }

  Extent extent(const Value& value) const;

  // An operation from `input` to `output`; the sizes are theirs.
  Operation make(KernelOp op, const Value& input, const Value& output) const;

  // Convolutions and pools. A pool over the whole image is a kGlobalAvgPool.
  Operation window(KernelOp op, const Value& input, const Value& output,
                   const Window& window) const;

  // A product with a constant (inputs, outputs) matrix over the last dimension.
  Operation linear(const Value& input, const Value& output, std::int64_t inputs,
                   std::int64_t outputs) const;

  // A product of two results over `inner` elements; the result's last dimension has `columns`.
  Operation matmul(const Value& left, const Value& right, const Value& output, std::int64_t inner,
                   std::int64_t columns) const;

  // An addition or product, of two results or with a constant.
  Operation join(KernelOp op, const Value& left, const Value& right, const Value& output) const;

  // All of `inputs` that are no constants, read to make `output`.
  Operation gather(KernelOp op, const std::vector<const Value*>& inputs, const Value& output) const;

  // Rows of a constant table, chosen by `indices`.
  Operation lookup(const Value& indices, const Value& output) const;

  // A mean, sum or maximum over some dimensions.
  Operation reduce(const Value& input, const Value& output, bool mean) const;

  // kTranspose, or kReshape where only dimensions of size 1 move.
  Operation transpose(const Value& input, const Value& output,
                      const std::vector<std::size_t>& order) const;

  // Appends an operation; its place is the source of the values that it computes.
  int add(Operation operation);

  OperationGraph finish(std::vector<int> outputs);

 private:
  std::int64_t batch_ = 1;
  std::size_t readings_ = 0;
  std::vector<Operation> operations_;
};

}  // namespace edgewise
