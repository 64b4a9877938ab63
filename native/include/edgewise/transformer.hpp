// The transformers of HAT (Wang and others, arXiv 2005.14187) for machine translation, as its
// latency tables write them: ten numbers, of which those of single layers are averages.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edgewise/json_space.hpp"

namespace edgewise {
namespace transformer {

inline constexpr int kCodes = 10;

// By code: the width in units of 64, the layers, and sums over the layers, of feed-forward widths
// (in units of 512), of heads, and of how many encoder layers a decoder layer attends to. Sums are
// whole numbers where averages are not.
enum Code {
  kEncoderWidth,
  kEncoderLayers,
  kEncoderFeedForward,
  kEncoderHeads,
  kDecoderWidth,
  kDecoderLayers,
  kDecoderFeedForward,
  kDecoderHeads,
  kCrossHeads,   // of the attention to the encoder
  kCrossLayers,  // encoder layers attended to
};

}  // namespace transformer

// An architecture is one object of HAT's ten columns, '{"encoder_embed_dim":640,...}'; averages
// are taken to the nearest that layers of HAT's sizes can have, when it is within 0.001.
//
// HAT's search space: widths 512 and 640; 6 encoder and 1 to 6 decoder layers; feed-forward widths
// of 512 to 3072; 2, 4 or 8 heads; attention to the last 1 to 3 encoder layers.
class Transformer final : public JsonSpace {
 public:
  const char* name() const noexcept override { return "transformer"; }
  std::size_t size() const noexcept override { return 0; }
  std::size_t code_length() const noexcept override { return transformer::kCodes; }
  std::string decode(const std::uint8_t* codes) const override;
  std::vector<std::vector<std::uint8_t>> choices() const override;
  std::size_t fault(const std::uint8_t* codes) const noexcept override;
  std::string why(const std::uint8_t* codes, std::size_t position) const override;
  // A sum that the layers cannot have is wrapped into those they can.
  void canonical(std::uint8_t* codes) const noexcept override;

  // A translation of 30 tokens into 30: the encoder once, and the decoder's 30 steps as one pass
  // over 30 places, which multiplies as much. The sums are divided over the layers as evenly as
  // they go. Queries, keys and values are 512 wide, the vocabulary holds 32,768.
  KernelGraph lower(const std::uint8_t* codes, std::string_view semantics) const override;

 protected:
  const char* form() const noexcept override;
  bool read(std::string_view text, std::uint8_t* codes, TextFault* fault) const noexcept override;
};

}  // namespace edgewise
