#include "edgewise/supernet.hpp"

#include <algorithm>
#include <array>
#include <iterator>

#include "flat_json.hpp"
#include "graph_builder.hpp"
#include "inverted_bottleneck.hpp"

namespace edgewise {

using namespace supernet;

namespace {

constexpr const char* kForm = "'{\"ks\":[9 of 3, 5],\"e\":[9 of 2, 3, 4],\"d\":[3 of 1, 2, 3]}'";
constexpr std::uint8_t kFirstKernel = 3;
constexpr std::uint8_t kFirstExpansion = 2;

bool is_choice(std::size_t position, std::uint8_t value) noexcept {
  if (position < kExpansions) return value == 3 || value == 5;
  if (position < kDepths) return value >= 2 && value <= 4;
  return value >= 1 && value <= 3;
}

const char* cause_at(std::size_t position) noexcept {
  if (position < kExpansions) return "a kernel size is none of 3, 5";
  if (position < kDepths) return "an expansion is none of 2, 3, 4";
  return "a depth is none of 1, 2, 3";
}

// Lowering.

constexpr std::array<BottleneckStage, kStages> kStageSizes = {
    {{24, 2, false, false}, {40, 2, false, true}, {80, 2, true, true}}};
constexpr int kSide = 32;
constexpr int kFirstChannels = 16;
constexpr int kFeatures = 160;

}  // namespace

const char* Supernet::form() const noexcept { return kForm; }

bool Supernet::read(std::string_view text, std::uint8_t* codes,
                    TextFault* fault) const noexcept {
  std::array<JsonNumber, kCodes> numbers;
  const JsonField fields[] = {
      {"ks", JsonField::kList, &numbers[kKernels], kBlocks},
      {"e", JsonField::kList, &numbers[kExpansions], kBlocks},
      {"d", JsonField::kList, &numbers[kDepths], kStages},
  };
  if (!read_flat_json(text, fields, std::size(fields), fault)) return false;
  return take_values(numbers.data(), cause_at, codes, fault);
}

std::string Supernet::decode(const std::uint8_t* given) const {
  check(given);
  std::array<std::uint8_t, kCodes> codes;
  std::copy_n(given, kCodes, codes.begin());
  canonical(codes.data());
  std::string text;
  text.reserve(64);
  append_values(&text, "{\"ks\":[", &codes[kKernels], kBlocks);
  append_values(&text, "],\"e\":[", &codes[kExpansions], kBlocks);
  append_values(&text, "],\"d\":[", &codes[kDepths], kStages);
  return text + "]}";
}

std::vector<std::vector<std::uint8_t>> Supernet::choices() const {
  std::vector<std::vector<std::uint8_t>> all;
  all.insert(all.end(), kBlocks, {3, 5});
  all.insert(all.end(), kBlocks, {2, 3, 4});
  all.insert(all.end(), kStages, {1, 2, 3});
  return all;
}

std::size_t Supernet::fault(const std::uint8_t* codes) const noexcept {
  std::size_t i = 0;
  while (i < kCodes && is_choice(i, codes[i])) ++i;
  return i;
}

void Supernet::canonical(std::uint8_t* codes) const noexcept {
  for (int s = 0; s < kStages; ++s) {
    for (int at = s * kDepth + codes[kDepths + s]; at < (s + 1) * kDepth; ++at) {
      codes[kKernels + at] = kFirstKernel;
      codes[kExpansions + at] = kFirstExpansion;
    }
  }
}

KernelGraph Supernet::lower(const std::uint8_t* codes, std::string_view semantics) const {
  check(codes);
  index_of(semantics);
  GraphBuilder out(128);
  out.at(Position{0, -1, -1});
  // Pixels are standardised in the network, which padding keeps out of the first convolution.
  GraphValue value =
      out.keep_shape(KernelOp::kBatchNorm, {Kernel::kInput, 1, kSide, kSide, 3});
  value = activated_conv(out, value, kFirstChannels, 3, 1, 1, /*swish=*/true);
  for (int s = 0; s < kStages; ++s) {
    for (int b = 0; b < codes[kDepths + s]; ++b) {
      out.at(Position{s + 1, b, -1});
      const int at = s * kDepth + b;
      value = inverted_bottleneck(out, value, kStageSizes[s], codes[kKernels + at],
                                  codes[kExpansions + at], b == 0 ? kStageSizes[s].stride : 1);
    }
  }
  out.at(Position{kStages + 1, -1, -1});
  out.global_avg_pool(activated_conv(out, value, kFeatures, 1, 1, 1, /*swish=*/true));
  return out.take();
}

}  // namespace edgewise
