// FBNet (Wu and others, arXiv 1812.03443): 22 blocks in a fixed network, each an inverted residual
// of one of nine kinds. As HW-NAS-Bench (Li and others, ICLR 2021) timed it: 224 x 224 images, 1984
// channels in the last convolution (the paper's Table 1), a channel shuffle after the first grouped
// convolution, and a `skip` that changes the shape run as a convolution.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edgewise/space.hpp"

namespace edgewise {
namespace fbnet {

inline constexpr int kBlocks = 22;
inline constexpr int kOps = 9;

// Blocks by code: kernel size, expansion of the channels, groups of the 1x1 convolutions.
inline constexpr std::array<const char*, kOps> kOpNames = {
    "k3_e1", "k3_e1_g2", "k3_e3", "k3_e6", "k5_e1", "k5_e1_g2", "k5_e3", "k5_e6", "skip"};
enum Op : std::uint8_t { kSkip = 8 };

}  // namespace fbnet

// An architecture is its blocks' names, joined by commas; its codes are their numbers.
class FBNet final : public Space {
 public:
  const char* name() const noexcept override { return "fbnet"; }
  std::size_t size() const noexcept override { return 0; }
  std::size_t code_length() const noexcept override { return fbnet::kBlocks; }
  bool try_encode(const char* text, std::size_t length,
                  std::uint8_t* codes) const noexcept override;
  [[noreturn]] void explain(std::string_view text) const override;
  std::string decode(const std::uint8_t* codes) const override;
  std::vector<std::vector<std::uint8_t>> choices() const override;
  std::size_t fault(const std::uint8_t* codes) const noexcept override;
  KernelGraph lower(const std::uint8_t* codes, std::string_view semantics) const override;
};

}  // namespace edgewise
