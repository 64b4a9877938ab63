// A network as a chain of blocks, and which of them are the same: what the features of `fbnet`,
// `ofa` and `supernet` are counted by.
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "edgewise/features.hpp"
#include "edgewise/kernel.hpp"

namespace edgewise {

double macs_of(const KernelGraph& kernels);

// A network's kernels by block, in order, and those outside of blocks.
struct Blocks {
  std::vector<KernelGraph> blocks;
  KernelGraph rest;
};
Blocks blocks_of(const KernelGraph& graph);

// Distinct blocks, numbered as they are met.
class BlockTable {
 public:
  // The number of the block, or -1 when nothing is executed.
  int number(const KernelGraph& kernels, const std::string& name);

  int size() const { return static_cast<int>(columns_.size()); }
  const std::vector<FeatureColumn>& columns() const { return columns_; }

 private:
  // What makes two blocks the same.
  using Signature = std::vector<std::array<int, 10>>;
  static Signature signature(const KernelGraph& kernels);

  std::map<Signature, int> numbers_;
  std::vector<FeatureColumn> columns_;
};

// Adds to the entry of `column` among those from `start` on, or appends one.
void add_to(FeatureRow& row, int start, int column, double value) noexcept;

}  // namespace edgewise
