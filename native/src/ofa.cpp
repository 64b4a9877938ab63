#include "edgewise/ofa.hpp"

#include <algorithm>
#include <array>
#include <cstring>
#include <iterator>

#include "flat_json.hpp"
#include "graph_builder.hpp"
#include "inverted_bottleneck.hpp"

namespace edgewise {

using namespace ofa;

namespace {

constexpr int kSmallest = 128;  // resolution
constexpr int kLargest = 224;
constexpr int kStep = 4;

constexpr const char* kForm =
    "'{\"ks\":[20 of 3, 5, 7],\"e\":[20 of 3, 4, 6],\"d\":[5 of 2, 3, 4],\"r\":128 to 224 by 4}'";

// Bitwise, not logical: the compiler then looks at many at once.
bool is_kernel(std::uint8_t v) noexcept { return (v == 3) | (v == 5) | (v == 7); }
bool is_expansion(std::uint8_t v) noexcept { return (v == 3) | (v == 4) | (v == 6); }
bool is_depth(std::uint8_t v) noexcept { return (v == 2) | (v == 3) | (v == 4); }
bool is_resolution(std::uint8_t v) noexcept {
  return (v >= kSmallest) & (v <= kLargest) & (v % kStep == 0);
}

template <int Count, class Test>
bool all(const std::uint8_t* codes, Test test) noexcept {
  std::uint8_t good = 1;
  for (int i = 0; i < Count; ++i) good &= static_cast<std::uint8_t>(test(codes[i]));
  return good != 0;
}

// Of the blocks of all stages: twice the 16 that a vector register holds, which overlap.
template <class Test>
bool all_blocks(const std::uint8_t* codes, Test test) noexcept {
  static_assert(kBlocks > 16 && kBlocks <= 32);
  return (int{all<16>(codes, test)} & int{all<16>(codes + kBlocks - 16, test)}) != 0;
}

// Sets the codes of a stage's blocks beyond `depth` to 3.
void clear_beyond(int depth, std::uint8_t* codes) noexcept {
  // By depth - 2, as the bytes lie in memory.
  static constexpr std::uint8_t kKept[3][kDepth] = {
      {255, 255, 0, 0}, {255, 255, 255, 0}, {255, 255, 255, 255}};
  static constexpr std::uint8_t kFirst[3][kDepth] = {{0, 0, 3, 3}, {0, 0, 0, 3}, {0, 0, 0, 0}};
  std::uint32_t four;
  std::uint32_t kept;
  std::uint32_t first;
  std::memcpy(&four, codes, sizeof four);
  std::memcpy(&kept, kKept[depth - 2], sizeof kept);
  std::memcpy(&first, kFirst[depth - 2], sizeof first);
  four = (four & kept) | first;
  std::memcpy(codes, &four, sizeof four);
}

const char* cause_at(std::size_t position) noexcept {
  if (position < kExpansions) return "a kernel size is none of 3, 5, 7";
  if (position < kDepths) return "an expansion is none of 3, 4, 6";
  if (position < kResolution) return "a depth is none of 2, 3, 4";
  return "the resolution is none of 128, 132, ..., 224";
}

// Lowering.

constexpr std::array<BottleneckStage, kStages> kStageSizes = {{{32, 2, false, false},
                                                     {48, 2, false, true},
                                                     {96, 2, true, false},
                                                     {136, 1, true, true},
                                                     {192, 2, true, true}}};
constexpr int kFirstChannels = 24;
constexpr int kLastChannels = 1152;
constexpr int kFeatures = 1536;
constexpr int kClasses = 1000;

}  // namespace

const char* OnceForAll::form() const noexcept { return kForm; }

bool OnceForAll::read(std::string_view text, std::uint8_t* codes,
                      TextFault* fault) const noexcept {
  std::array<JsonNumber, kCodes> numbers;
  const JsonField fields[] = {
      {"ks", JsonField::kList, &numbers[kKernels], kBlocks},
      {"e", JsonField::kList, &numbers[kExpansions], kBlocks},
      {"d", JsonField::kList, &numbers[kDepths], kStages},
      {"r", JsonField::kNumber, &numbers[kResolution]},
      {"wid", JsonField::kNull},  // the authors' files carry it, unused
  };
  if (!read_flat_json(text, fields, std::size(fields), fault)) return false;
  return take_values(numbers.data(), cause_at, codes, fault);
}

std::string OnceForAll::decode(const std::uint8_t* given) const {
  check(given);
  std::array<std::uint8_t, kCodes> codes;
  std::copy_n(given, kCodes, codes.begin());
  canonical(codes.data());
  std::string text;
  text.reserve(128);
  append_values(&text, "{\"ks\":[", &codes[kKernels], kBlocks);
  append_values(&text, "],\"e\":[", &codes[kExpansions], kBlocks);
  append_values(&text, "],\"d\":[", &codes[kDepths], kStages);
  return text + "],\"r\":" + std::to_string(codes[kResolution]) + "}";
}

std::vector<std::vector<std::uint8_t>> OnceForAll::choices() const {
  std::vector<std::vector<std::uint8_t>> all;
  all.insert(all.end(), kBlocks, {3, 5, 7});
  all.insert(all.end(), kBlocks, {3, 4, 6});
  all.insert(all.end(), kStages, {2, 3, 4});
  all.emplace_back();
  for (int r = kSmallest; r <= kLargest; r += kStep) {
    all.back().push_back(static_cast<std::uint8_t>(r));
  }
  return all;
}

std::size_t OnceForAll::fault(const std::uint8_t* codes) const noexcept {
  const int good = int{all_blocks(codes + kKernels, is_kernel)} &
                   int{all_blocks(codes + kExpansions, is_expansion)} &
                   int{all<kStages>(codes + kDepths, is_depth)} &
                   int{is_resolution(codes[kResolution])};
  if (good != 0) return kCodes;
  std::size_t i = 0;
  while (i < kExpansions && is_kernel(codes[i])) ++i;
  if (i < kExpansions) return i;
  while (i < kDepths && is_expansion(codes[i])) ++i;
  if (i < kDepths) return i;
  while (i < kResolution && is_depth(codes[i])) ++i;
  return i;
}

void OnceForAll::canonical(std::uint8_t* codes) const noexcept {
  for (int s = 0; s < kStages; ++s) {
    clear_beyond(codes[kDepths + s], codes + kKernels + s * kDepth);
    clear_beyond(codes[kDepths + s], codes + kExpansions + s * kDepth);
  }
}

KernelGraph OnceForAll::lower(const std::uint8_t* codes, std::string_view semantics) const {
  check(codes);
  index_of(semantics);
  GraphBuilder out(256);
  out.at(Position{0, -1, -1});
  const int side = codes[kResolution];
  GraphValue value = activated_conv(out, {Kernel::kInput, 1, side, side, 3}, kFirstChannels, 3, 2,
                                    1, /*swish=*/true);
  out.at(Position{0, 0, -1});
  value = inverted_bottleneck(out, value, {kFirstChannels, 1, false, false}, 3, 1, 1);
  for (int s = 0; s < kStages; ++s) {
    for (int b = 0; b < codes[kDepths + s]; ++b) {
      out.at(Position{s + 1, b, -1});
      const int at = s * kDepth + b;
      value = inverted_bottleneck(out, value, kStageSizes[s], codes[kKernels + at],
                                  codes[kExpansions + at], b == 0 ? kStageSizes[s].stride : 1);
    }
  }
  out.at(Position{kStages + 1, -1, -1});
  value = activated_conv(out, value, kLastChannels, 1, 1, 1, /*swish=*/true);
  value = out.global_avg_pool(value);
  value = out.keep_shape(KernelOp::kHardSwish, out.linear(value, kFeatures));
  out.linear(value, kClasses);
  return out.take();
}

}  // namespace edgewise
