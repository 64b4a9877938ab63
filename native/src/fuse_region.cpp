#include "fuse_region.hpp"

#include <cstddef>
#include <functional>
#include <map>

namespace edgewise {
namespace {

// The longest known, a layer norm that torch's converter writes, has 14 steps.
constexpr std::size_t kMostMembers = 20;

bool is_nonlinear(const Operation& operation) {
  switch (operation.kernel.op) {
    case KernelOp::kActivation:
    case KernelOp::kSigmoid:
    case KernelOp::kHardSigmoid:
      return true;
    case KernelOp::kRelu:
      return operation.bounded;
    default:
      return false;
  }
}

// Whether the operation may be inside of a region: it acts on single elements, or reduces them.
bool absorbable(const Operation& operation) {
  const Kernel& kernel = operation.kernel;
  if (kernel.activation != KernelOp::kIdentity || operation.operand == Operand::kTensor) {
    return false;
  }
  switch (kernel.op) {
    case KernelOp::kAdd:
    case KernelOp::kMul:
    case KernelOp::kReshape:
    case KernelOp::kGlobalAvgPool:
      return true;
    default:
      return is_nonlinear(operation) && kernel.inputs.size() == 1;
  }
}

class Growth {
 public:
  Growth(const std::vector<Operation>& operations, const std::vector<int>& readers, int exit)
      : operations_(operations), readers_(readers) {
    absorb(exit);
  }

  // Adds the last operation that the region reads, unless it must stay outside.
  bool grow() {
    const auto [last, readings] = *frontier_.begin();
    if (last < 0 || members_.size() == kMostMembers) return false;
    const auto place = static_cast<std::size_t>(last);
    if (!absorbable(operations_[place]) || readers_[place] != readings) return false;
    frontier_.erase(frontier_.begin());
    absorb(last);
    return true;
  }

  bool closed() const { return frontier_.size() == 1; }
  int entry() const { return frontier_.begin()->first; }
  const std::vector<int>& members() const { return members_; }

  // What the region computes, once it is closed.
  KernelOp function() const {
    if (means_ > 0) return roots_ > 0 ? KernelOp::kLayerNorm : KernelOp::kIdentity;
    if (reductions_ > 0 || channels_ > 0 || reshapes_ > 0) return KernelOp::kIdentity;
    if (joins_ == 0) {
      const bool hard = clips_ == 1 && sums_ == 1 && products_ == 1 && members_.size() == 3;
      return hard ? KernelOp::kHardSigmoid : KernelOp::kIdentity;
    }
    if (clips_ + hards_ + smooths_ == 0 || products_ == 0) return KernelOp::kIdentity;
    return smooths_ == 0 ? KernelOp::kHardSwish : KernelOp::kActivation;
  }

 private:
  void absorb(int index) {
    const Operation& operation = operations_[static_cast<std::size_t>(index)];
    members_.push_back(index);
    for (const int input : operation.kernel.inputs) ++frontier_[input];
    count(operation);
  }

  void count(const Operation& operation) {
    joins_ += operation.kernel.inputs.size() > 1;
    roots_ += operation.root;
    channels_ += operation.operand == Operand::kChannels;
    switch (operation.kernel.op) {
      case KernelOp::kAdd: ++sums_; break;
      case KernelOp::kMul: ++products_; break;
      case KernelOp::kReshape: ++reshapes_; break;
      case KernelOp::kRelu: ++clips_; break;
      case KernelOp::kHardSigmoid: ++hards_; break;
      case KernelOp::kGlobalAvgPool: ++(operation.mean ? means_ : reductions_); break;
      default: ++smooths_;
    }
  }

  const std::vector<Operation>& operations_;
  const std::vector<int>& readers_;
  std::vector<int> members_;
  std::map<int, int, std::greater<int>> frontier_;  // what the members read -> how often
  int joins_ = 0, roots_ = 0, channels_ = 0, sums_ = 0, products_ = 0, reshapes_ = 0;
  int clips_ = 0, hards_ = 0, smooths_ = 0, means_ = 0, reductions_ = 0;
};

// A normalisation may begin with x - mean(x), whose result alone already closes the region.
void extend_to_difference(const std::vector<Operation>& operations, Growth growth, Region& region) {
  const auto is = [&](int index, KernelOp op, std::size_t inputs) {
    if (index < 0) return false;
    const Kernel& kernel = operations[static_cast<std::size_t>(index)].kernel;
    return kernel.op == op && kernel.inputs.size() == inputs;
  };
  if (!is(growth.entry(), KernelOp::kAdd, 2) || !growth.grow()) return;
  while (!growth.closed()) {
    const bool mean = is(growth.entry(), KernelOp::kGlobalAvgPool, 1);
    if (!mean && !is(growth.entry(), KernelOp::kReshape, 1)) return;
    if (!growth.grow()) return;
  }
  if (operations[static_cast<std::size_t>(growth.members().back())].mean) {
    region.members = growth.members();
    region.entry = growth.entry();
  }
}

}  // namespace

Region find_region(const std::vector<Operation>& operations, const std::vector<int>& readers,
                   int exit) {
  const KernelOp last = operations[static_cast<std::size_t>(exit)].kernel.op;
  if (last != KernelOp::kAdd && last != KernelOp::kMul) return {};
  Region region;
  Growth growth(operations, readers, exit);
  if (!absorbable(operations[static_cast<std::size_t>(exit)])) return {};
  while (growth.grow()) {
    if (!growth.closed()) continue;
    const KernelOp function = growth.function();
    if (function == KernelOp::kIdentity) continue;
    region = {growth.members(), growth.entry(), function};
    break;
  }
  if (region.op == KernelOp::kLayerNorm) extend_to_difference(operations, growth, region);
  return region;
}

}  // namespace edgewise
