// Once-for-all MobileNetV3 (Cai and others, arXiv 1908.09791): five stages of two to four inverted
// residual blocks, each with its kernel size and expansion, at a resolution of 128 to 224.
//
// The width multiplier is 1.2 (the authors' ofa_mbv3_d234_e346_k357_w1.2), of which HELP's (arXiv
// 2106.08630) published networks are; the table of timings that this project is tested with is
// HELP's.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edgewise/json_space.hpp"

namespace edgewise {
namespace ofa {

inline constexpr int kStages = 5;
inline constexpr int kDepth = 4;  // most blocks in a stage
inline constexpr int kBlocks = kStages * kDepth;

// The codes hold the values themselves: kernel sizes, expansions, depths, the resolution.
inline constexpr int kKernels = 0;
inline constexpr int kExpansions = kBlocks;
inline constexpr int kDepths = 2 * kBlocks;
inline constexpr int kResolution = 2 * kBlocks + kStages;
inline constexpr int kCodes = kResolution + 1;

}  // namespace ofa

// An architecture is '{"ks":[20 numbers],"e":[20 numbers],"d":[5 numbers],"r":176}'. Blocks beyond
// their stage's depth count as kernel 3, expansion 3.
class OnceForAll final : public JsonSpace {
 public:
  const char* name() const noexcept override { return "ofa"; }
  std::size_t size() const noexcept override { return 0; }
  std::size_t code_length() const noexcept override { return ofa::kCodes; }
  std::string decode(const std::uint8_t* codes) const override;
  std::vector<std::vector<std::uint8_t>> choices() const override;
  std::size_t fault(const std::uint8_t* codes) const noexcept override;
  void canonical(std::uint8_t* codes) const noexcept override;
  KernelGraph lower(const std::uint8_t* codes, std::string_view semantics) const override;

 protected:
  const char* form() const noexcept override;
  bool read(std::string_view text, std::uint8_t* codes, TextFault* fault) const noexcept override;
};

}  // namespace edgewise
