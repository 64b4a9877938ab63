#include "edgewise/fbnet.hpp"

#include <algorithm>

#include "edgewise/error.hpp"
#include "graph_builder.hpp"

namespace edgewise {

using namespace fbnet;

namespace {

// Reads a block's name at the start of `text`; its length, or 0 when there is none.
std::size_t read_op(std::string_view text, std::uint8_t* code) noexcept {
  if (text.substr(0, 4) == "skip") {
    *code = kSkip;
    return 4;
  }
  if (text.size() < 5 || text[0] != 'k' || text[2] != '_' || text[3] != 'e') return 0;
  const bool wide = text[1] == '5';
  if (!wide && text[1] != '3') return 0;
  std::size_t length = 5;
  std::uint8_t kind = 0;  // the order of kOpNames, within one kernel size
  switch (text[4]) {
    case '1':
      if (text.substr(5, 3) == "_g2") {
        kind = 1;
        length = 8;
      }
      break;
    case '3': kind = 2; break;
    case '6': kind = 3; break;
    default: return 0;
  }
  *code = static_cast<std::uint8_t>(kind + (wide ? 4 : 0));
  return length;
}

[[noreturn]] void fail_at(std::string_view text, std::size_t position, const std::string& cause) {
  std::string ops;
  for (const char* name : kOpNames) ops += (ops.empty() ? "" : ", ") + std::string(name);
  throw Error(ErrorKind::kArchitecture, "fbnet: at character " + std::to_string(position) + ": " +
                                            cause + " in '" + printable(text) +
                                            "'; the form is 22 operations joined by commas, of " +
                                            ops);
}

// Lowering.

struct Stage {
  int channels;
  int blocks;
  int stride;  // of the first block
};
constexpr std::array<Stage, 7> kStages = {
    {{16, 1, 1}, {24, 4, 2}, {32, 4, 2}, {64, 4, 2}, {112, 4, 1}, {184, 4, 2}, {352, 1, 1}}};
constexpr int kImageSide = 224;
constexpr int kFirstChannels = 16;
constexpr int kLastChannels = 1984;
constexpr int kClasses = 1000;

GraphValue lower_skip(GraphBuilder& out, const GraphValue& in, int channels, int stride) {
  if (stride == 1 && in.channels == channels) return out.keep_shape(KernelOp::kIdentity, in);
  return out.conv(in, channels, 1, stride, 1, KernelOp::kRelu);
}

GraphValue lower_block(GraphBuilder& out, std::uint8_t op, const GraphValue& in, int channels, int stride) {
  constexpr std::array<int, 4> kExpansion = {1, 1, 3, 6};
  if (op == kSkip) return lower_skip(out, in, channels, stride);
  const int window = op < 4 ? 3 : 5;
  const int wide = kExpansion[op % 4] * in.channels;
  const int groups = op % 4 == 1 ? 2 : 1;
  GraphValue value = out.conv(in, wide, 1, 1, groups, KernelOp::kRelu);
  if (groups > 1) value = out.keep_shape(KernelOp::kTranspose, value);  // the channel shuffle
  value = out.conv(value, wide, window, stride, wide, KernelOp::kRelu);
  value = out.conv(value, channels, 1, 1, groups);
  const bool residual = stride == 1 && in.channels == channels;
  return residual ? out.join(KernelOp::kAdd, value, in) : value;
}

}  // namespace

bool FBNet::try_encode(const char* text, std::size_t length, std::uint8_t* codes) const noexcept {
  std::string_view rest(text, length);
  for (int b = 0; b < kBlocks; ++b) {
    if (b > 0) {
      if (rest.empty() || rest.front() != ',') return false;
      rest.remove_prefix(1);
    }
    const std::size_t read = read_op(rest, &codes[b]);
    if (read == 0) return false;
    rest.remove_prefix(read);
  }
  return rest.empty();
}

void FBNet::explain(std::string_view text) const {
  std::size_t position = 0;
  for (int b = 0; b < kBlocks; ++b) {
    const std::size_t stop = std::min(text.find(',', position), text.size());
    const std::string_view op = text.substr(position, stop - position);
    std::uint8_t code = 0;
    if (op.empty()) fail_at(text, position, "an operation is missing");
    if (read_op(op, &code) != op.size()) {
      fail_at(text, position, "unknown operation '" + printable(op, 40) + "'");
    }
    position = stop + 1;
    if (stop == text.size() && b + 1 < kBlocks) {
      fail_at(text, stop, "only " + std::to_string(b + 1) + " operations");
    }
  }
  fail_at(text, position - 1, "more than 22 operations");
}

std::string FBNet::decode(const std::uint8_t* codes) const {
  check(codes);
  std::string text;
  text.reserve(160);
  for (int b = 0; b < kBlocks; ++b) {
    if (b > 0) text += ',';
    text += kOpNames[codes[b]];
  }
  return text;
}

std::vector<std::vector<std::uint8_t>> FBNet::choices() const {
  return std::vector<std::vector<std::uint8_t>>(kBlocks, {0, 1, 2, 3, 4, 5, 6, 7, 8});
}

std::size_t FBNet::fault(const std::uint8_t* codes) const noexcept {
  return static_cast<std::size_t>(
      std::find_if(codes, codes + kBlocks, [](std::uint8_t code) { return code >= kOps; }) -
      codes);
}

KernelGraph FBNet::lower(const std::uint8_t* codes, std::string_view semantics) const {
  check(codes);
  index_of(semantics);
  GraphBuilder out(128);
  out.at(Position{0, -1, -1});
  GraphValue value = out.conv({Kernel::kInput, 1, kImageSide, kImageSide, 3}, kFirstChannels, 3, 2, 1,
                         KernelOp::kRelu);
  for (int s = 0; s < static_cast<int>(kStages.size()); ++s) {
    for (int b = 0; b < kStages[s].blocks; ++b) {
      out.at(Position{s, b, -1});
      const int stride = b == 0 ? kStages[s].stride : 1;
      value = lower_block(out, *codes++, value, kStages[s].channels, stride);
    }
  }
  out.at(Position{static_cast<int>(kStages.size()), -1, -1});
  value = out.conv(value, kLastChannels, 1, 1, 1, KernelOp::kRelu);
  out.linear(out.global_avg_pool(value), kClasses);
  return out.take();
}

}  // namespace edgewise
