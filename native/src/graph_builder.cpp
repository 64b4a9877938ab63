#include "graph_builder.hpp"

namespace edgewise {

Value GraphBuilder::add(KernelOp op, const Value& in, const Value& out) {
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
  Value result = out;
  result.kernel = static_cast<int>(graph_.size()) - 1;
  return result;
}

void GraphBuilder::also_reads(const Value& other) {
  if (other.kernel != Value::kConstant) graph_.back().inputs.push_back(other.kernel);
}

Value GraphBuilder::pool(KernelOp op, const Value& in, int window, int stride) {
  Value out = in;
  out.height = (in.height + stride - 1) / stride;
  out.width = (in.width + stride - 1) / stride;
  const Value result = add(op, in, out);
  Kernel& kernel = graph_.back();
  kernel.kernel_height = kernel.kernel_width = window;
  kernel.stride = stride;
  return result;
}

Value GraphBuilder::conv(const Value& in, int channels, int window, int stride, int groups,
                         KernelOp activation) {
  Value result = pool(KernelOp::kConv, in, window, stride);
  Kernel& kernel = graph_.back();
  kernel.out_channels = result.channels = channels;
  kernel.groups = groups;
  kernel.activation = activation;
  return result;
}

Value GraphBuilder::global_avg_pool(const Value& in) {
  Value out = in;
  out.height = out.width = 1;
  const Value result = add(KernelOp::kGlobalAvgPool, in, out);
  Kernel& kernel = graph_.back();
  kernel.kernel_height = in.height;
  kernel.kernel_width = in.width;
  kernel.stride = in.height;
  return result;
}

Value GraphBuilder::linear(const Value& in, int channels, KernelOp activation) {
  Value out = in;
  out.channels = channels;
  const Value result = add(KernelOp::kLinear, in, out);
  graph_.back().activation = activation;
  return result;
}

Value GraphBuilder::keep_shape(KernelOp op, const Value& in) { return add(op, in, in); }

Value GraphBuilder::join(KernelOp op, const Value& a, const Value& b) {
  const Value result = add(op, a, a);
  also_reads(b);
  return result;
}

}  // namespace edgewise
