// Features of `supernet`: how often each distinct block occurs. The second and the third block of a
// stage are the same where their choices are.
#include <array>
#include <string>
#include <vector>

#include "edgewise/supernet.hpp"
#include "block_table.hpp"
#include "features_of_spaces.hpp"

namespace edgewise {

namespace {

using namespace supernet;

class SupernetFeatures final : public Features {
 public:
  explicit SupernetFeatures(const Space& space) {
    for (const std::uint8_t kernel : {3, 5}) {
      for (const std::uint8_t expansion : {2, 3, 4}) add_uniform(space, kernel, expansion);
    }
  }

  std::size_t columns() const noexcept override {
    return static_cast<std::size_t>(table_.size()) + 1;
  }

  void row(const std::uint8_t* codes, FeatureRow& row) const noexcept override {
    row.size = 0;
    for (int s = 0; s < kStages; ++s) {
      const int start = row.size;  // blocks of other stages differ in size
      const int first = s * kDepth;
      for (int b = first; b < first + codes[kDepths + s]; ++b) {
        add_to(row, start, column_[b][choice(codes[kKernels + b], codes[kExpansions + b])], 1.0);
      }
    }
    row.add(table_.size(), 1.0);
  }

  std::vector<FeatureColumn> describe() const {
    std::vector<FeatureColumn> columns = table_.columns();
    columns.push_back({"network", FeatureKind::kNetwork, rest_});
    return columns;
  }

 private:
  static int choice(int kernel, int expansion) noexcept {
    return (kernel - 3) / 2 * 3 + expansion - 2;
  }

  // Numbers the blocks of the largest network whose blocks all have this kernel and expansion.
  void add_uniform(const Space& space, std::uint8_t kernel, std::uint8_t expansion) {
    std::array<std::uint8_t, kCodes> codes;
    for (int b = 0; b < kBlocks; ++b) {
      codes[kKernels + b] = kernel;
      codes[kExpansions + b] = expansion;
    }
    for (int s = 0; s < kStages; ++s) codes[kDepths + s] = kDepth;
    const Blocks network = blocks_of(space.lower(codes.data(), space.semantics().back()));
    const std::string name = "k" + std::to_string(kernel) + "_e" + std::to_string(expansion);
    for (int b = 0; b < kBlocks; ++b) {
      column_[b][choice(kernel, expansion)] = table_.number(network.blocks[b], name);
    }
    rest_ = network.rest;
  }

  BlockTable table_;
  std::array<std::array<int, 6>, kBlocks> column_{};
  KernelGraph rest_;
};

}  // namespace

std::unique_ptr<Features> make_supernet_features(const Space& space) {
  return std::make_unique<SupernetFeatures>(space);
}

std::vector<FeatureColumn> supernet_columns(const Space& space) {
  return SupernetFeatures(space).describe();
}

}  // namespace edgewise
