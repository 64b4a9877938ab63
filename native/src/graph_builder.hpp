// Writes the kernels of a network one after another, and who reads whose result.
#pragma once

#include <cstddef>
#include <utility>

#include "edgewise/kernel.hpp"

namespace edgewise {

// What a kernel computed, or what the network was given.
struct GraphValue {
  // As `kernel`: known beforehand, so nothing computes it; a kernel does not list it as an input.
  static constexpr int kConstant = -1000000;

  int kernel = kConstant;  // index in the graph, or Kernel::kInput and below
  int batch = 1;
  int height = 1;
  int width = 1;
  int channels = 0;
};

class GraphBuilder {
 public:
  explicit GraphBuilder(std::size_t capacity) { graph_.reserve(capacity); }

  // Where the kernels that follow stand.
  void at(Position position) noexcept { position_ = position; }

  // Padded so that the sides are divided by the stride, rounded up.
  GraphValue conv(const GraphValue& in, int channels, int window, int stride = 1, int groups = 1,
             KernelOp activation = KernelOp::kIdentity);
  GraphValue pool(KernelOp op, const GraphValue& in, int window, int stride);
  GraphValue global_avg_pool(const GraphValue& in);
  GraphValue linear(const GraphValue& in, int channels, KernelOp activation = KernelOp::kIdentity);
  // Each element by itself, or moved: the shape stays.
  GraphValue keep_shape(KernelOp op, const GraphValue& in);
  // Of the shape of `a`.
  GraphValue join(KernelOp op, const GraphValue& a, const GraphValue& b);
  // The general form: `out` gives the result's shape.
  GraphValue add(KernelOp op, const GraphValue& in, const GraphValue& out);
  // The last kernel also reads `other`.
  void also_reads(const GraphValue& other);

  KernelGraph take() noexcept { return std::move(graph_); }

 private:
  KernelGraph graph_;
  Position position_;
};

}  // namespace edgewise
