// The block of MobileNetV3 (Howard and others, arXiv 1905.02244), of which `ofa` and `supernet` are
// chains: expand, convolve each channel by itself, squeeze and excite, project.
#pragma once

#include "graph_builder.hpp"

namespace edgewise {

// What the blocks of a stage share.
struct BottleneckStage {
  int channels;
  int stride;  // of the first block
  bool swish;  // hard swish; else relu
  bool excites;
};

// A convolution and its activation. Hard swish is a kernel of its own: no runtime merges it into a
// convolution.
GraphValue activated_conv(GraphBuilder& out, const GraphValue& in, int channels, int window,
                          int stride, int groups, bool swish);

// With a residual connection where the result has the shape of `in`. An expansion of 1 is left out.
GraphValue inverted_bottleneck(GraphBuilder& out, const GraphValue& in,
                               const BottleneckStage& stage, int window, int expansion, int stride);

}  // namespace edgewise
