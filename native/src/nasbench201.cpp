#include "edgewise/nasbench201.hpp"

#include <algorithm>

#include "edgewise/error.hpp"

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

Kernel square(KernelOp op, int side, int in, int out, int window, int stride, Position position) {
  Kernel kernel;
  kernel.op = op;
  kernel.height = kernel.width = side;
  kernel.in_channels = in;
  kernel.out_height = kernel.out_width = (side + stride - 1) / stride;
  kernel.out_channels = out;
  kernel.kernel_height = kernel.kernel_width = window;
  kernel.stride = stride;
  kernel.position = position;
  return kernel;
}

// ReLU, convolution, batch norm: the last folds into the convolution, the first stays.
void lower_relu_conv(KernelGraph& out, int side, int in, int channels, int window,
                     int stride, Position position) {
  out.push_back(square(KernelOp::kRelu, side, in, in, 1, 1, position));
  out.push_back(square(KernelOp::kConv, side, in, channels, window, stride, position));
}

void lower_op(KernelGraph& out, std::uint8_t op, const Stage& stage, Position position) {
  const auto [channels, side] = stage;
  switch (op) {
    case kNone:
      out.push_back(square(KernelOp::kZero, side, channels, channels, 1, 1, position));
      break;
    case kSkipConnect:
      out.push_back(square(KernelOp::kIdentity, side, channels, channels, 1, 1, position));
      break;
    case kConv1x1:
      lower_relu_conv(out, side, channels, channels, 1, 1, position);
      break;
    case kConv3x3:
      lower_relu_conv(out, side, channels, channels, 3, 1, position);
      break;
    case kAvgPool3x3:
      out.push_back(square(KernelOp::kAvgPool, side, channels, channels, 3, 1, position));
      break;
  }
}

// The kept operations of one cell; each but the first into a node is followed by an addition.
void lower_cell(KernelGraph& out, const std::uint8_t* codes, std::uint8_t kept,
                const Stage& stage, Position position) {
  std::array<bool, kNodes> started{};
  for (int e = 0; e < kEdges; ++e) {
    if (((kept >> e) & 1) == 0) continue;
    position.edge = e;
    lower_op(out, codes[e], stage, position);
    if (started[kTarget[e]]) {
      out.push_back(square(KernelOp::kAdd, stage.side, stage.channels, stage.channels, 1, 1,
                           position));
    }
    started[kTarget[e]] = true;
  }
}

// The residual block between stages: halves the side, doubles the channels.
void lower_reduction(KernelGraph& out, const Stage& from, const Stage& to,
                     Position position) {
  lower_relu_conv(out, from.side, from.channels, to.channels, 3, 2, position);
  lower_relu_conv(out, to.side, to.channels, to.channels, 3, 1, position);
  out.push_back(
      square(KernelOp::kAvgPool, from.side, from.channels, from.channels, 2, 2, position));
  out.push_back(square(KernelOp::kConv, to.side, from.channels, to.channels, 1, 1, position));
  out.push_back(square(KernelOp::kAdd, to.side, to.channels, to.channels, 1, 1, position));
}

void lower_head(KernelGraph& out) {
  const auto [channels, side] = kStageSizes.back();
  const Position position{kStages, -1, -1};
  out.push_back(square(KernelOp::kBatchNorm, side, channels, channels, 1, 1, position));
  out.push_back(square(KernelOp::kRelu, side, channels, channels, 1, 1, position));
  out.push_back(
      square(KernelOp::kGlobalAvgPool, side, channels, channels, side, side, position));
  out.push_back(square(KernelOp::kLinear, 1, channels, kClasses, 1, 1, position));
}

KernelGraph lower_whole(const std::uint8_t* codes, std::uint8_t kept) {
  KernelGraph out;
  out.reserve(256);
  const Stage& first = kStageSizes.front();
  out.push_back(square(KernelOp::kConv, first.side, kImageChannels, first.channels, 3, 1,
                       Position{0, -1, -1}));
  for (int s = 0; s < kStages; ++s) {
    if (s > 0) lower_reduction(out, kStageSizes[s - 1], kStageSizes[s], Position{s, -1, -1});
    for (int c = 0; c < kCellsPerStage; ++c) {
      lower_cell(out, codes, kept, kStageSizes[s], Position{s, c, -1});
    }
  }
  lower_head(out);
  return out;
}

// A cell that blocks every path makes all before the last cell useless, and all after it constant.
KernelGraph lower_blocked(const std::uint8_t* codes, std::uint8_t kept,
                                  Semantics semantics) {
  KernelGraph out;
  if (semantics == Semantics::kLive) return out;
  lower_cell(out, codes, kept, kStageSizes.back(), Position{kStages - 1, kCellsPerStage - 1, -1});
  lower_head(out);
  return out;
}

constexpr std::array<const char*, 3> kSemanticsNames = {"all", "reachable", "live"};

Semantics semantics_from(std::string_view name) {
  const auto it = std::find(kSemanticsNames.begin(), kSemanticsNames.end(), name);
  if (it == kSemanticsNames.end()) {
    throw Error(ErrorKind::kArgument, "nasbench201: unknown semantics '" + printable(name) +
                                          "'; one of all, reachable, live");
  }
  return static_cast<Semantics>(it - kSemanticsNames.begin());
}

void check_codes(const std::uint8_t* codes) {
  for (int e = 0; e < kEdges; ++e) {
    if (codes[e] >= kOps) {
      throw Error(ErrorKind::kArgument, "nasbench201: code " + std::to_string(codes[e]) +
                                            " of edge " + std::to_string(e) +
                                            " is no operation; codes are 0 to 4");
    }
  }
}

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

std::string NasBench201::decode(const std::uint8_t* codes) const {
  check_codes(codes);
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
  check_codes(codes);
  const Semantics pruning = semantics_from(semantics);
  const std::uint8_t kept = kept_edges(codes, pruning);
  const bool whole = pruning == Semantics::kAll || has_path(codes);
  return whole ? lower_whole(codes, kept) : lower_blocked(codes, kept, pruning);
}

}  // namespace edgewise
