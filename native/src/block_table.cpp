#include "block_table.hpp"

#include <algorithm>
#include <utility>

namespace edgewise {

namespace {

bool in_block(const Kernel& kernel) { return kernel.position.cell >= 0; }

bool costs_nothing(const KernelGraph& kernels) {
  return std::all_of(kernels.begin(), kernels.end(),
                     [](const Kernel& k) { return k.op == KernelOp::kIdentity; });
}

}  // namespace

double macs_of(const KernelGraph& kernels) {
  double macs = 0.0;
  for (const Kernel& kernel : kernels) macs += kernel.macs();
  return macs;
}

Blocks blocks_of(const KernelGraph& graph) {
  Blocks result;
  std::pair<int, int> last{-1, -1};
  for (const Kernel& kernel : graph) {
    if (!in_block(kernel)) {
      result.rest.push_back(kernel);
      continue;
    }
    const std::pair<int, int> place{kernel.position.stage, kernel.position.cell};
    if (place != last) result.blocks.emplace_back();
    last = place;
    result.blocks.back().push_back(kernel);
  }
  return result;
}

BlockTable::Signature BlockTable::signature(const KernelGraph& kernels) {
  Signature all;
  for (const Kernel& k : kernels) {
    all.push_back({static_cast<int>(k.op), static_cast<int>(k.activation), k.height, k.width,
                   k.in_channels, k.out_channels, k.kernel_height, k.kernel_width, k.stride,
                   k.groups});
  }
  return all;
}

int BlockTable::number(const KernelGraph& kernels, const std::string& name) {
  if (costs_nothing(kernels)) return -1;
  const auto [found, is_new] = numbers_.try_emplace(signature(kernels), size());
  if (is_new) {
    const Position& place = kernels.front().position;
    columns_.push_back({name + "@" + std::to_string(place.stage) + "." + std::to_string(place.cell),
                        FeatureKind::kCount, kernels});
  }
  return found->second;
}

void add_to(FeatureRow& row, int start, int column, double value) noexcept {
  for (int i = start; i < row.size; ++i) {
    if (row.column[i] == column) {
      row.value[i] += value;
      return;
    }
  }
  row.add(column, value);
}

}  // namespace edgewise
