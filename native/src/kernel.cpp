#include "edgewise/kernel.hpp"

namespace edgewise {

const char* kernel_op_name(KernelOp op) noexcept {
  switch (op) {
    case KernelOp::kConv: return "conv";
    case KernelOp::kConvTranspose: return "conv_transpose";
    case KernelOp::kLinear: return "linear";
    case KernelOp::kMatMul: return "matmul";
    case KernelOp::kRelu: return "relu";
    case KernelOp::kHardSwish: return "hard_swish";
    case KernelOp::kHardSigmoid: return "hard_sigmoid";
    case KernelOp::kSigmoid: return "sigmoid";
    case KernelOp::kActivation: return "activation";
    case KernelOp::kBatchNorm: return "batch_norm";
    case KernelOp::kLayerNorm: return "layer_norm";
    case KernelOp::kSoftmax: return "softmax";
    case KernelOp::kAvgPool: return "avg_pool";
    case KernelOp::kMaxPool: return "max_pool";
    case KernelOp::kGlobalAvgPool: return "global_avg_pool";
    case KernelOp::kIdentity: return "identity";
    case KernelOp::kZero: return "zero";
    case KernelOp::kAdd: return "add";
    case KernelOp::kMul: return "mul";
    case KernelOp::kConcat: return "concat";
    case KernelOp::kSlice: return "slice";
    case KernelOp::kTranspose: return "transpose";
    case KernelOp::kReshape: return "reshape";
    case KernelOp::kPad: return "pad";
    case KernelOp::kResize: return "resize";
    case KernelOp::kOther: return "other";
  }
  return "unknown";
}

double Kernel::weights() const noexcept {
  const bool learnt = op == KernelOp::kConv || op == KernelOp::kConvTranspose ||
                      op == KernelOp::kLinear;
  if (!learnt) return 0.0;
  return static_cast<double>(kernel_height) * kernel_width * in_channels * out_channels / groups;
}

double Kernel::macs() const noexcept {
  const double rows = op == KernelOp::kConvTranspose
                          ? static_cast<double>(batch) * height * width
                          : static_cast<double>(batch) * out_height * out_width;
  if (op == KernelOp::kMatMul) return rows * in_channels * out_channels;
  return rows * weights();
}

double Kernel::input_bytes() const noexcept {
  double values = static_cast<double>(batch) * height * width * in_channels;
  // The second operand: as large as the result, or for a product the matrix.
  if (op == KernelOp::kMatMul) values += static_cast<double>(batch) * in_channels * out_channels;
  const bool joins = op == KernelOp::kAdd || op == KernelOp::kMul;
  if (joins && inputs.size() != 1) values *= 2.0;
  return element_bytes * values;
}

double Kernel::output_bytes() const noexcept {
  return static_cast<double>(element_bytes) * batch * out_height * out_width * out_channels;
}

double Kernel::weight_bytes() const noexcept { return element_bytes * weights(); }

double Kernel::bytes() const noexcept { return input_bytes() + output_bytes() + weight_bytes(); }

}  // namespace edgewise
