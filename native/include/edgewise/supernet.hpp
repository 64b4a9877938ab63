// The supernet of the zoo of pretrained networks: MobileNetV3 blocks (Howard and others, arXiv
// 1905.02244) for pictures of 32x32, three stages of one to three, each with its kernel size and
// expansion, as once-for-all (Cai and others, arXiv 1908.09791).
//
// A network takes pixel values 0..255 and gives the mean over the image of its last 160 channels;
// the classes of a task are a head of its own.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edgewise/json_space.hpp"

namespace edgewise {
namespace supernet {

inline constexpr int kStages = 3;
inline constexpr int kDepth = 3;  // most blocks in a stage
inline constexpr int kBlocks = kStages * kDepth;

// The codes hold the values themselves: kernel sizes, expansions, depths.
inline constexpr int kKernels = 0;
inline constexpr int kExpansions = kBlocks;
inline constexpr int kDepths = 2 * kBlocks;
inline constexpr int kCodes = kDepths + kStages;

}  // namespace supernet

// An architecture is '{"ks":[9 numbers],"e":[9 numbers],"d":[3 numbers]}'. Blocks beyond their
// stage's depth count as kernel 3, expansion 2.
class Supernet final : public JsonSpace {
 public:
  const char* name() const noexcept override { return "supernet"; }
  std::size_t size() const noexcept override { return 0; }
  std::size_t code_length() const noexcept override { return supernet::kCodes; }
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
