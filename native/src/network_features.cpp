// What the kernels of a network ask for.
#include <array>

#include "edgewise/network_latency.hpp"

namespace edgewise {

namespace {

enum Column {
  kDense,        // multiply-accumulates of convolutions with a window
  kPointwise,    // of those without
  kGrouped,
  kDepthwise3,   // of depthwise ones with a window of up to 9, of up to 25, and larger
  kDepthwise5,
  kDepthwise7,
  kTouched,      // elements that depthwise convolutions write
  kThin,         // of convolutions of few channels, an image's for example
  kLinear,
  kProduct,      // of two activations
  kConvWeights,  // bytes
  kLinearWeights,
  kTraffic,      // bytes that convolutions read and write
  kElementwise,  // bytes of sums and products of activations
  kFunction,     // bytes of activation functions that are kernels of their own
  kRelu,
  kMoved,        // bytes of concatenations, transpositions and their like
  kPooled,       // elements of all windows
  kReduced,      // bytes of means over an image
  kLaunches,
  kOtherTraffic, // bytes of kernels of which nothing is known, and how many they are
  kOthers,
  kNetwork,
  kColumns
};

constexpr std::array<const char*, kColumns> kNames = {
    "dense",        "pointwise",      "grouped", "depthwise3",  "depthwise5", "depthwise7",
    "touched",      "thin",           "linear",  "product",     "conv_weights", "linear_weights",
    "traffic",      "elementwise",    "function", "relu",       "moved",      "pooled",
    "reduced",      "launches",       "other_traffic", "others", "network"};

constexpr double kMillion = 1e6;
constexpr int kFewChannels = 8;

Column depthwise_column(int window) noexcept {
  if (window <= 9) return kDepthwise3;
  return window <= 25 ? kDepthwise5 : kDepthwise7;
}

using Totals = std::array<double, kColumns>;

void add_convolution(const Kernel& kernel, Totals& totals) {
  const double macs = kernel.macs() / kMillion;
  const int window = kernel.kernel_height * kernel.kernel_width;
  if (kernel.groups > 1 && kernel.groups == kernel.in_channels) {
    totals[depthwise_column(window)] += macs;
    totals[kTouched] += macs / window;
  } else if (kernel.groups > 1) {
    totals[kGrouped] += macs;
  } else if (kernel.in_channels < kFewChannels) {
    totals[kThin] += macs;
  } else {
    totals[window == 1 ? kPointwise : kDense] += macs;
  }
  totals[kConvWeights] += kernel.weight_bytes() / kMillion;
  totals[kTraffic] += (kernel.input_bytes() + kernel.output_bytes()) / kMillion;
}

void add(const Kernel& kernel, Totals& totals) {
  const double traffic = (kernel.input_bytes() + kernel.output_bytes()) / kMillion;
  switch (kernel.op) {
    case KernelOp::kIdentity:
    case KernelOp::kReshape:
      return;
    case KernelOp::kConv:
    case KernelOp::kConvTranspose:
      add_convolution(kernel, totals);
      break;
    case KernelOp::kLinear:
      totals[kLinear] += kernel.macs() / kMillion;
      totals[kLinearWeights] += kernel.weight_bytes() / kMillion;
      break;
    case KernelOp::kMatMul:
      totals[kProduct] += kernel.macs() / kMillion;
      break;
    case KernelOp::kAdd:
    case KernelOp::kMul:
      // One operand may be a single number for each channel; the result is always whole.
      totals[kElementwise] += 2.0 * kernel.output_bytes() / kMillion;
      break;
    case KernelOp::kHardSwish:
    case KernelOp::kHardSigmoid:
    case KernelOp::kSigmoid:
    case KernelOp::kActivation:
    case KernelOp::kSoftmax:
    case KernelOp::kLayerNorm:
      totals[kFunction] += traffic;
      break;
    case KernelOp::kRelu:
    case KernelOp::kBatchNorm:
    case KernelOp::kZero:
      totals[kRelu] += traffic;
      break;
    case KernelOp::kConcat:
    case KernelOp::kSlice:
    case KernelOp::kTranspose:
    case KernelOp::kPad:
    case KernelOp::kResize:
      totals[kMoved] += traffic;
      break;
    case KernelOp::kMaxPool:
    case KernelOp::kAvgPool:
      totals[kPooled] += static_cast<double>(kernel.kernel_height) * kernel.kernel_width *
                         kernel.output_bytes() / kernel.element_bytes / kMillion;
      break;
    case KernelOp::kGlobalAvgPool:
      totals[kReduced] += traffic;
      break;
    case KernelOp::kOther:
      totals[kOtherTraffic] += traffic;
      totals[kOthers] += 1.0;
      break;
  }
  totals[kLaunches] += 1.0;
}

}  // namespace

std::vector<std::string> network_columns() { return {kNames.begin(), kNames.end()}; }

void network_features(const KernelGraph& graph, FeatureRow& row) {
  static_assert(kColumns <= FeatureRow::kCapacity);
  Totals totals{};
  for (const Kernel& kernel : graph) add(kernel, totals);
  totals[kNetwork] = 1.0;
  row.size = 0;
  for (int i = 0; i < kColumns; ++i) {
    if (totals[static_cast<std::size_t>(i)] != 0.0) row.add(i, totals[static_cast<std::size_t>(i)]);
  }
}

}  // namespace edgewise
