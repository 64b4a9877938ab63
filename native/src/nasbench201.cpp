#include "edgewise/nasbench201.hpp"

#include <algorithm>

#include "edgewise/error.hpp"
#include "graph_builder.hpp"

namespace edgewise {

using namespace nasbench201;

namespace {

// Explaining a malformed string: the slow twin of parse_nasbench201.

std::string op_list() {
  std::string list;
  for (const char* name : kOpNames) list += (list.empty() ? "" : ", ") + std::string(name);
  return list;
}

[[noreturn]] void fail_at(std::string_view text, std::size_t position, const std::string& cause) {
  throw Error(ErrorKind::kArchitecture,
              "nasbench201: at character " + std::to_string(position) + ": " + cause + " in '" +
                  printable(text) + "'; the form is '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|' with op one of " +
                  op_list());
}

// Expects `token` at `position` and steps over it.
void expect(std::string_view text, std::size_t& position, std::string_view token) {
  for (const char wanted : token) {
    if (position >= text.size()) {
      fail_at(text, position, std::string("the string ends where '") + wanted + "' belongs");
    }
    if (text[position] != wanted) {
      fail_at(text, position, std::string("expected '") + wanted + "'");
    }
    ++position;
  }
}

void expect_op(std::string_view text, std::size_t& position) {
  const std::size_t stop = std::min(text.find_first_of("~|+", position), text.size());
  const std::string_view op = text.substr(position, stop - position);
  if (op.empty()) fail_at(text, position, "an operation is missing");
  if (std::find(kOpNames.begin(), kOpNames.end(), op) == kOpNames.end()) {
    fail_at(text, position, "unknown operation '" + printable(op, 40) + "'");
  }
  position = stop;
}

// Lowering.

struct Stage {
  int channels;
  int side;  // height and width of the feature map
};
constexpr std::array<Stage, kStages> kStageSizes = {{{16, 32}, {32, 16}, {64, 8}}};
constexpr int kImageChannels = 3;
constexpr int kClasses = 10;

// ReLU, convolution, batch norm: the last folds into the convolution, the first stays.
GraphValue lower_relu_conv(GraphBuilder& out, const GraphValue& in, int channels, int window, int stride) {
  return out.conv(out.keep_shape(KernelOp::kRelu, in), channels, window, stride);
}

GraphValue lower_op(GraphBuilder& out, std::uint8_t op, const GraphValue& in) {
  switch (op) {
    case kNone: return out.keep_shape(KernelOp::kZero, in);
    case kSkipConnect: return out.keep_shape(KernelOp::kIdentity, in);
    case kConv1x1: return lower_relu_conv(out, in, in.channels, 1, 1);
    case kConv3x3: return lower_relu_conv(out, in, in.channels, 3, 1);
    default: return out.pool(KernelOp::kAvgPool, in, 3, 1);
  }
}

// The kept operations of one cell; each but the first into a node is followed by an addition. A
// node that no kept operation feeds is a constant.
GraphValue lower_cell(GraphBuilder& out, const std::uint8_t* codes, std::uint8_t kept, const GraphValue& in,
                 Position position) {
  GraphValue nothing = in;
  nothing.kernel = GraphValue::kConstant;
  std::array<GraphValue, kNodes> nodes = {in, nothing, nothing, nothing};
  std::array<bool, kNodes> started{};
  for (int e = 0; e < kEdges; ++e) {
    if (((kept >> e) & 1) == 0) continue;
    position.edge = e;
    out.at(position);
    const GraphValue result = lower_op(out, codes[e], nodes[kSource[e]]);
    const int target = kTarget[e];
    nodes[target] = started[target] ? out.join(KernelOp::kAdd, nodes[target], result) : result;
    started[target] = true;
  }
  return nodes[kNodes - 1];
}

// The residual block between stages: halves the side, doubles the channels.
GraphValue lower_reduction(GraphBuilder& out, const GraphValue& in, Position position) {
  const int channels = 2 * in.channels;
  out.at(position);
  const GraphValue halved = lower_relu_conv(out, in, channels, 3, 2);
  const GraphValue main = lower_relu_conv(out, halved, channels, 3, 1);
  const GraphValue side = out.conv(out.pool(KernelOp::kAvgPool, in, 2, 2), channels, 1);
  return out.join(KernelOp::kAdd, main, side);
}

void lower_head(GraphBuilder& out, const GraphValue& in) {
  out.at(Position{kStages, -1, -1});
  const GraphValue normed = out.keep_shape(KernelOp::kBatchNorm, in);
  const GraphValue pooled = out.global_avg_pool(out.keep_shape(KernelOp::kRelu, normed));
  out.linear(pooled, kClasses);
}

KernelGraph lower_whole(const std::uint8_t* codes, std::uint8_t kept) {
  GraphBuilder out(256);
  const Stage& first = kStageSizes.front();
  out.at(Position{0, -1, -1});
  GraphValue value = out.conv({Kernel::kInput, 1, first.side, first.side, kImageChannels},
                         first.channels, 3);
  for (int s = 0; s < kStages; ++s) {
    if (s > 0) value = lower_reduction(out, value, Position{s, -1, -1});
    for (int c = 0; c < kCellsPerStage; ++c) {
      value = lower_cell(out, codes, kept, value, Position{s, c, -1});
    }
  }
  lower_head(out, value);
  return out.take();
}

// A cell that blocks every path makes all before the last cell useless, and all after it constant.
KernelGraph lower_blocked(const std::uint8_t* codes, std::uint8_t kept, Semantics semantics) {
  GraphBuilder out(16);
  if (semantics == Semantics::kLive) return out.take();
  const auto [channels, side] = kStageSizes.back();
  const GraphValue nothing = {GraphValue::kConstant, 1, side, side, channels};
  lower_head(out, lower_cell(out, codes, kept, nothing,
                             Position{kStages - 1, kCellsPerStage - 1, -1}));
  return out.take();
}

constexpr std::array<const char*, 3> kSemanticsNames = {"all", "reachable", "live"};

}  // namespace

void NasBench201::explain(std::string_view text) const {
  std::size_t position = 0;
  for (int e = 0; e < kEdges; ++e) {
    if (e == 1 || e == 3) expect(text, position, "|+");
    expect(text, position, "|");
    expect_op(text, position);
    expect(text, position, "~");
    expect(text, position, std::string(1, static_cast<char>('0' + kSource[e])));
  }
  expect(text, position, "|");
  fail_at(text, position, "unexpected text after the end");
}

std::size_t NasBench201::fault(const std::uint8_t* codes) const noexcept {
  return static_cast<std::size_t>(
      std::find_if(codes, codes + kEdges, [](std::uint8_t code) { return code >= kOps; }) - codes);
}

std::string NasBench201::decode(const std::uint8_t* codes) const {
  check(codes);
  std::string text;
  text.reserve(96);
  for (int e = 0; e < kEdges; ++e) {
    if (e == 1 || e == 3) text += "|+";
    text += '|';
    text += kOpNames[codes[e]];
    text += '~';
    text += static_cast<char>('0' + kSource[e]);
  }
  return text + '|';
}

void NasBench201::codes_of(std::size_t index, std::uint8_t* codes) const noexcept {
  for (int e = kEdges - 1; e >= 0; --e) {
    codes[e] = static_cast<std::uint8_t>(index % kOps);
    index /= kOps;
  }
}

std::vector<std::string> NasBench201::semantics() const {
  return {kSemanticsNames.begin(), kSemanticsNames.end()};
}

KernelGraph NasBench201::lower(const std::uint8_t* codes, std::string_view semantics) const {
  check(codes);
  const auto pruning = static_cast<Semantics>(index_of(semantics));
  const std::uint8_t kept = kept_edges(codes, pruning);
  const bool whole = pruning == Semantics::kAll || has_path(codes);
  return whole ? lower_whole(codes, kept) : lower_blocked(codes, kept, pruning);
}

}  // namespace edgewise
