#include "edgewise/space.hpp"

#include "edgewise/error.hpp"
#include "edgewise/nasbench201.hpp"

namespace edgewise {

const char* kernel_op_name(KernelOp op) noexcept {
  switch (op) {
    case KernelOp::kConv: return "conv";
    case KernelOp::kRelu: return "relu";
    case KernelOp::kBatchNorm: return "batch_norm";
    case KernelOp::kAvgPool: return "avg_pool";
    case KernelOp::kGlobalAvgPool: return "global_avg_pool";
    case KernelOp::kIdentity: return "identity";
    case KernelOp::kZero: return "zero";
    case KernelOp::kAdd: return "add";
    case KernelOp::kLinear: return "linear";
  }
  return "unknown";
}

namespace {

// Weights of a convolution or linear layer, its bias left out.
double weights(const Kernel& kernel) {
  if (kernel.op != KernelOp::kConv && kernel.op != KernelOp::kLinear) return 0.0;
  return static_cast<double>(kernel.kernel) * kernel.kernel * kernel.in_channels *
         kernel.out_channels / kernel.groups;
}

}  // namespace

double Kernel::macs() const noexcept { return weights(*this) * out_height() * out_width(); }

double Kernel::bytes() const noexcept {
  constexpr double kFloat = 4.0;
  const double operands = op == KernelOp::kAdd ? 2.0 : 1.0;
  const double read = operands * height * width * in_channels;
  const double written = static_cast<double>(out_height()) * out_width() * out_channels;
  return kFloat * (read + written + weights(*this));
}

double Space::flops(const std::uint8_t* codes, std::string_view semantics) const {
  double macs = 0.0;
  for (const Kernel& kernel : lower(codes, semantics)) macs += kernel.macs();
  return 2.0 * macs;
}

void Space::encode(std::string_view text, std::uint8_t* codes) const {
  if (!try_encode(text.data(), text.size(), codes)) explain(text);
}

std::vector<std::string> space_names() { return {"nasbench201"}; }

const Space& get_space(std::string_view name) {
  static const NasBench201 nasbench201;
  if (name == nasbench201.name()) return nasbench201;
  std::string known;
  for (const std::string& each : space_names()) known += (known.empty() ? "" : ", ") + each;
  throw Error(ErrorKind::kArgument,
              "unknown space '" + printable(name) + "'; there is " + known);
}

}  // namespace edgewise
