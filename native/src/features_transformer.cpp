// Features of HAT's transformers: only averages over layers are known, so what layers of an average
// size would cost, in sums and products with widths.
#include <array>
#include <string>

#include "edgewise/transformer.hpp"
#include "features_of_spaces.hpp"

namespace edgewise {

namespace {

using namespace transformer;

// A cost that grows with one code, or with the product of two, in units of a large network's.
struct Term {
  const char* name;
  int code;
  double unit;
  int times = -1;
  double times_unit = 1.0;
};

constexpr double kWidth = 8.0;    // 512
constexpr double kLayers = 6.0;
constexpr double kWide = 24.0;    // six feed-forward layers of 2048
constexpr double kHeads = 48.0;   // six layers of eight
constexpr double kCross = 18.0;   // six layers attending to three

constexpr std::array<Term, 12> kTerms = {{
    {"encoder layers", kEncoderLayers, kLayers},
    {"encoder layers x width", kEncoderLayers, kLayers, kEncoderWidth, kWidth},
    {"encoder feed-forward x width", kEncoderFeedForward, kWide, kEncoderWidth, kWidth},
    {"encoder heads", kEncoderHeads, kHeads},
    {"decoder width", kDecoderWidth, kWidth},
    {"decoder layers", kDecoderLayers, kLayers},
    {"decoder layers x width", kDecoderLayers, kLayers, kDecoderWidth, kWidth},
    {"decoder feed-forward x width", kDecoderFeedForward, kWide, kDecoderWidth, kWidth},
    {"decoder heads", kDecoderHeads, kHeads},
    {"cross-attention heads", kCrossHeads, kHeads},
    {"encoder layers attended to", kCrossLayers, kCross},
    {"encoder layers attended to x width", kCrossLayers, kCross, kEncoderWidth, kWidth},
}};

class TransformerFeatures final : public Features {
 public:
  std::size_t columns() const noexcept override { return kTerms.size() + 1; }

  void row(const std::uint8_t* codes, FeatureRow& row) const noexcept override {
    row.size = 0;
    for (std::size_t i = 0; i < kTerms.size(); ++i) {
      const Term& term = kTerms[i];
      double value = codes[term.code] / term.unit;
      if (term.times >= 0) value *= codes[term.times] / term.times_unit;
      row.add(static_cast<int>(i), value);
    }
    row.add(static_cast<int>(kTerms.size()), 1.0);
  }
};

}  // namespace

std::unique_ptr<Features> make_transformer_features() {
  return std::make_unique<TransformerFeatures>();
}

std::vector<FeatureColumn> transformer_columns() {
  std::vector<FeatureColumn> columns;
  for (const Term& term : kTerms) columns.push_back({term.name, FeatureKind::kSize, {}});
  columns.push_back({"network", FeatureKind::kNetwork, {}});
  return columns;
}

}  // namespace edgewise
