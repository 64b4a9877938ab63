#include "inverted_bottleneck.hpp"

#include <algorithm>

namespace edgewise {

namespace {

// The nearest multiple of 8, unless that takes away more than a tenth.
int divisible_by_8(int channels) noexcept {
  const int nearest = std::max(8, (channels + 4) / 8 * 8);
  return 10 * nearest < 9 * channels ? nearest + 8 : nearest;
}

GraphValue squeeze_and_excite(GraphBuilder& out, const GraphValue& in) {
  GraphValue value = out.global_avg_pool(in);
  value = out.linear(value, divisible_by_8(in.channels / 4), KernelOp::kRelu);
  value = out.linear(value, in.channels);
  return out.join(KernelOp::kMul, in, out.keep_shape(KernelOp::kHardSigmoid, value));
}

}  // namespace

GraphValue activated_conv(GraphBuilder& out, const GraphValue& in, int channels, int window,
                          int stride, int groups, bool swish) {
  if (!swish) return out.conv(in, channels, window, stride, groups, KernelOp::kRelu);
  return out.keep_shape(KernelOp::kHardSwish, out.conv(in, channels, window, stride, groups));
}

GraphValue inverted_bottleneck(GraphBuilder& out, const GraphValue& in,
                               const BottleneckStage& stage, int window, int expansion,
                               int stride) {
  const int wide = in.channels * expansion;  // a multiple of 8, as the channels are
  GraphValue value = in;
  if (expansion > 1) value = activated_conv(out, value, wide, 1, 1, 1, stage.swish);
  value = activated_conv(out, value, wide, window, stride, wide, stage.swish);
  if (stage.excites) value = squeeze_and_excite(out, value);
  value = out.conv(value, stage.channels, 1);
  const bool residual = stride == 1 && in.channels == stage.channels;
  return residual ? out.join(KernelOp::kAdd, value, in) : value;
}

}  // namespace edgewise
