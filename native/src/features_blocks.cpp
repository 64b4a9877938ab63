// Features of the spaces that are chains of blocks, fbnet and ofa: how often each distinct block
// occurs. Blocks of the same kernels at the same sizes are one column, wherever they stand. Where
// the resolution is a choice too, a block has two columns: one for its occurrences, and one where
// they count by their multiply-accumulates, since part of a kernel's time does not grow with those.
#include <algorithm>
#include <array>
#include <string>

#include "edgewise/fbnet.hpp"
#include "edgewise/ofa.hpp"
#include "block_table.hpp"
#include "features_of_spaces.hpp"

namespace edgewise {

namespace {

using Codes = std::vector<std::uint8_t>;

class FbnetFeatures final : public Features {
 public:
  explicit FbnetFeatures(const Space& space) {
    for (int op = 0; op < fbnet::kOps; ++op) {
      const Codes codes(fbnet::kBlocks, static_cast<std::uint8_t>(op));
      const Blocks network = blocks_of(space.lower(codes.data(), space.semantics().back()));
      for (int b = 0; b < fbnet::kBlocks; ++b) {
        column_[b][op] = table_.number(network.blocks[b], fbnet::kOpNames[op]);
        stage_[b] = network.blocks[b].front().position.stage;
      }
      rest_ = network.rest;
    }
  }

  std::size_t columns() const noexcept override {
    return static_cast<std::size_t>(table_.size()) + 1;
  }

  void row(const std::uint8_t* codes, FeatureRow& row) const noexcept override {
    row.size = 0;
    int start = 0;  // blocks of other stages differ in size
    for (int b = 0; b < fbnet::kBlocks; ++b) {
      if (b > 0 && stage_[b] != stage_[b - 1]) start = row.size;
      if (column_[b][codes[b]] >= 0) add_to(row, start, column_[b][codes[b]], 1.0);
    }
    row.add(table_.size(), 1.0);
  }

  std::vector<FeatureColumn> describe() const {
    std::vector<FeatureColumn> columns = table_.columns();
    columns.push_back({"network", FeatureKind::kNetwork, rest_});
    return columns;
  }

 private:
  BlockTable table_;
  std::array<std::array<int, fbnet::kOps>, fbnet::kBlocks> column_{};
  std::array<int, fbnet::kBlocks> stage_{};
  KernelGraph rest_;
};

class OfaFeatures final : public Features {
 public:
  explicit OfaFeatures(const Space& space) {
    const auto choices = space.choices();
    const Codes& resolutions = choices[ofa::kResolution];
    for (std::size_t r = 0; r < resolutions.size(); ++r) step_[resolutions[r]] = static_cast<int>(r);
    number_blocks(space);
    scale_.resize(resolutions.size() * static_cast<std::size_t>(table_.size()));
    for (std::size_t r = 0; r < resolutions.size(); ++r) measure(space, r, resolutions[r]);
  }

  std::size_t columns() const noexcept override {
    return 2 * static_cast<std::size_t>(table_.size()) + 2;
  }

  void row(const std::uint8_t* codes, FeatureRow& row) const noexcept override {
    row.size = 0;
    const auto r = static_cast<std::size_t>(step_[codes[ofa::kResolution]]);
    const auto blocks = static_cast<std::size_t>(table_.size());
    const double* scale = scale_.data() + r * blocks;
    for (int s = 0; s < ofa::kStages; ++s) {
      const int start = row.size;
      const int first = s * ofa::kDepth;
      for (int b = first; b < first + codes[ofa::kDepths + s]; ++b) {
        const int column =
            column_[b][choice(codes[ofa::kKernels + b], codes[ofa::kExpansions + b])];
        add_to(row, start, column, 1.0);
      }
      for (int i = start, end = row.size; i < end; ++i) {
        row.add(row.column[i] + table_.size(), row.value[i] * scale[row.column[i]]);
      }
    }
    row.add(2 * table_.size(), 1.0);
    row.add(2 * table_.size() + 1, rest_scale_[r]);
  }

  std::vector<FeatureColumn> describe() const {
    std::vector<FeatureColumn> columns = table_.columns();
    for (const FeatureColumn& block : table_.columns()) {
      columns.push_back({block.name + " size", FeatureKind::kSize, block.kernels});
    }
    columns.push_back({"network", FeatureKind::kNetwork, rest_});
    columns.push_back({"network size", FeatureKind::kSize, rest_});
    return columns;
  }

 private:
  static constexpr std::uint8_t kMiddle = 176;
  static constexpr std::array<std::uint8_t, 3> kKernels = {3, 5, 7};
  static constexpr std::array<std::uint8_t, 3> kExpansions = {3, 4, 6};

  static int choice(int kernel, int expansion) noexcept {
    return (kernel - 3) / 2 * 3 + (expansion == 6 ? 2 : expansion - 3);
  }

  // The largest network whose blocks all have this kernel and expansion.
  static Codes uniform(std::uint8_t kernel, std::uint8_t expansion, std::uint8_t resolution) {
    Codes codes(ofa::kCodes, ofa::kDepth);
    std::fill_n(codes.begin() + ofa::kKernels, ofa::kBlocks, kernel);
    std::fill_n(codes.begin() + ofa::kExpansions, ofa::kBlocks, expansion);
    codes[ofa::kResolution] = resolution;
    return codes;
  }

  // Its chosen blocks, without the fixed one before the first stage.
  static Blocks lowered(const Space& space, const Codes& codes) {
    Blocks network = blocks_of(space.lower(codes.data(), space.semantics().back()));
    while (network.blocks.size() > static_cast<std::size_t>(ofa::kBlocks)) {
      const KernelGraph& fixed = network.blocks.front();
      network.rest.insert(network.rest.end(), fixed.begin(), fixed.end());
      network.blocks.erase(network.blocks.begin());
    }
    return network;
  }

  void number_blocks(const Space& space) {
    for (const std::uint8_t kernel : kKernels) {
      for (const std::uint8_t expansion : kExpansions) {
        const Blocks network = lowered(space, uniform(kernel, expansion, kMiddle));
        const std::string name = "k" + std::to_string(kernel) + "_e" + std::to_string(expansion);
        for (int b = 0; b < ofa::kBlocks; ++b) {
          column_[b][choice(kernel, expansion)] = table_.number(network.blocks[b], name);
        }
        rest_ = network.rest;
      }
    }
  }

  void measure(const Space& space, std::size_t r, std::uint8_t resolution) {
    for (const std::uint8_t kernel : kKernels) {
      for (const std::uint8_t expansion : kExpansions) {
        const Blocks network = lowered(space, uniform(kernel, expansion, resolution));
        for (int b = 0; b < ofa::kBlocks; ++b) {
          const auto column = static_cast<std::size_t>(column_[b][choice(kernel, expansion)]);
          scale_[r * static_cast<std::size_t>(table_.size()) + column] =
              macs_of(network.blocks[b]) / macs_of(table_.columns()[column].kernels);
        }
        if (rest_scale_.size() == r) rest_scale_.push_back(macs_of(network.rest) / macs_of(rest_));
      }
    }
  }

  BlockTable table_;
  std::array<std::array<int, 9>, ofa::kBlocks> column_{};
  std::array<int, 256> step_{};      // of a resolution, among all
  std::vector<double> scale_;        // (resolutions, blocks)
  std::vector<double> rest_scale_;   // (resolutions,)
  KernelGraph rest_;
};

}  // namespace

std::unique_ptr<Features> make_fbnet_features(const Space& space) {
  return std::make_unique<FbnetFeatures>(space);
}

std::vector<FeatureColumn> fbnet_columns(const Space& space) {
  return FbnetFeatures(space).describe();
}

std::unique_ptr<Features> make_ofa_features(const Space& space) {
  return std::make_unique<OfaFeatures>(space);
}

std::vector<FeatureColumn> ofa_columns(const Space& space) {
  return OfaFeatures(space).describe();
}

}  // namespace edgewise
