#include "graph_builder.hpp"

namespace edgewise {

GraphValue GraphBuilder::add(KernelOp op, const GraphValue& in, const GraphValue& out) {
  Kernel kernel;
  kernel.op = op;
  kernel.batch = out.batch;
  kernel.height = in.height;
  kernel.width = in.width;
  kernel.in_channels = in.channels;
  kernel.out_height = out.height;
  kernel.out_width = out.width;
  kernel.out_channels = out.channels;
  kernel.position = position_;
  graph_.push_back(std::move(kernel));
  also_reads(in);
  GraphValue result = out;
  result.kernel = static_cast<int>(graph_.size()) - 1;
  return result;
}

void GraphBuilder::also_reads(const GraphValue& other) {
  if (other.kernel != GraphValue::kConstant) graph_.back().inputs.push_back(other.kernel);
}

GraphValue GraphBuilder::pool(KernelOp op, const GraphValue& in, int window, int stride) {
  GraphValue out = in;
  out.height = (in.height + stride - 1) / stride;
  out.width = (in.width + stride - 1) / stride;
  const GraphValue result = add(op, in, out);
  Kernel& kernel = graph_.back();
  kernel.kernel_height = kernel.kernel_width = window;
  kernel.stride = stride;
  return result;
}

GraphValue GraphBuilder::conv(const GraphValue& in, int channels, int window, int stride, int groups,
                         KernelOp activation) {
  GraphValue result = pool(KernelOp::kConv, in, window, stride);
  Kernel& kernel = graph_.back();
  kernel.out_channels = result.channels = channels;
  kernel.groups = groups;
  kernel.activation = activation;
  return result;
}

GraphValue GraphBuilder::global_avg_pool(const GraphValue& in) {
  GraphValue out = in;
  out.height = out.width = 1;
  const GraphValue result = add(KernelOp::kGlobalAvgPool, in, out);
  Kernel& kernel = graph_.back();
  kernel.kernel_height = in.height;
  kernel.kernel_width = in.width;
  kernel.stride = in.height;
  return result;
}

GraphValue GraphBuilder::linear(const GraphValue& in, int channels, KernelOp activation) {
  GraphValue out = in;
  out.channels = channels;
  const GraphValue result = add(KernelOp::kLinear, in, out);
  graph_.back().activation = activation;
  return result;
}

GraphValue GraphBuilder::keep_shape(KernelOp op, const GraphValue& in) { return add(op, in, in); }

GraphValue GraphBuilder::join(KernelOp op, const GraphValue& a, const GraphValue& b) {
  const GraphValue result = add(op, a, a);
  also_reads(b);
  return result;
}

}  // namespace edgewise
