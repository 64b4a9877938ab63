#include "fuse.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include "fuse_region.hpp"

namespace edgewise {
namespace {

bool has_weights(KernelOp op) {
  return op == KernelOp::kConv || op == KernelOp::kConvTranspose || op == KernelOp::kLinear;
}

bool has_window(KernelOp op) {
  return op == KernelOp::kConv || op == KernelOp::kAvgPool || op == KernelOp::kMaxPool;
}

bool takes_relu(KernelOp op) {
  switch (op) {
    case KernelOp::kAdd:
    case KernelOp::kMul:
    case KernelOp::kBatchNorm:
    case KernelOp::kAvgPool:
    case KernelOp::kMaxPool:
      return true;
    default:
      return has_weights(op);
  }
}

// A factor or a shift, the same for all pixels of a channel.
bool is_affine(const Operation& operation) {
  const Kernel& kernel = operation.kernel;
  if (kernel.op == KernelOp::kBatchNorm) return true;
  const bool joins = kernel.op == KernelOp::kAdd || kernel.op == KernelOp::kMul;
  return joins && kernel.inputs.size() == 1 && kernel.in_channels == kernel.out_channels &&
         (operation.operand == Operand::kScalar || operation.operand == Operand::kChannels);
}

class Fuser {
 public:
  explicit Fuser(OperationGraph graph)
      : operations_(std::move(graph.operations)), outputs_(std::move(graph.outputs)) {}

  OperationGraph run() {
    prepare();
    join_regions();
    prepare();  // without what the regions swallowed
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      resolve(i);
      if (!fold_affine(i) && !fuse_relu(i) && !fold_reshape(i)) fold_padding(i);
    }
    prepare();
    return {std::move(operations_), std::move(outputs_)};
  }

 private:
  // Drops what no result depends on, and renumbers; counts the readings of what stays.
  void prepare() {
    mark_live();
    std::vector<int> place(operations_.size(), 0);
    std::vector<Operation> kept;
    for (std::size_t i = 0; i < operations_.size(); ++i) {
      if (!live_[i]) continue;
      place[i] = static_cast<int>(kept.size());
      kept.push_back(std::move(operations_[i]));
    }
    const auto renumber = [&](int& index) {
      if (index >= 0) index = place[static_cast<std::size_t>(index)];
    };
    for (int& output : outputs_) renumber(output);
    readers_.assign(kept.size(), 0);
    for (Operation& operation : kept) {
      for (int& input : operation.kernel.inputs) {
        renumber(input);
        if (input >= 0) ++readers_[static_cast<std::size_t>(input)];
      }
    }
    for (const int output : outputs_) {
      if (output >= 0) ++readers_[static_cast<std::size_t>(output)];
    }
    operations_ = std::move(kept);
    reset_forward();
  }

  void mark_live() {
    if (forward_.size() != operations_.size()) reset_forward();
    live_.assign(operations_.size(), false);
    for (int& output : outputs_) {
      output = target(output);
      if (output >= 0) live_[static_cast<std::size_t>(output)] = true;
    }
    for (std::size_t i = operations_.size(); i-- > 0;) {
      if (!live_[i]) continue;
      resolve(i);
      for (const int input : operations_[i].kernel.inputs) {
        if (input >= 0) live_[static_cast<std::size_t>(input)] = true;
      }
    }
  }

  void reset_forward() {
    forward_.resize(operations_.size());
    for (std::size_t i = 0; i < forward_.size(); ++i) forward_[i] = static_cast<int>(i);
  }

  // Operations are folded away in ascending order, into one that was looked at before: one step.
  int target(int index) const {
    return index < 0 ? index : forward_[static_cast<std::size_t>(index)];
  }

  void resolve(std::size_t i) {
    for (int& input : operations_[i].kernel.inputs) input = target(input);
  }

  // The operation that alone feeds `i` and that nothing else reads; null when there is none.
  Operation* only_producer(std::size_t i) {
    const Kernel& kernel = operations_[i].kernel;
    if (kernel.inputs.size() != 1 || kernel.inputs[0] < 0) return nullptr;
    const auto producer = static_cast<std::size_t>(kernel.inputs[0]);
    return readers_[producer] == 1 ? &operations_[producer] : nullptr;
  }

  // `i` is computed by its producer now.
  void fold_away(std::size_t i) {
    const int producer = operations_[i].kernel.inputs[0];
    readers_[static_cast<std::size_t>(producer)] = readers_[i];
    forward_[i] = producer;
  }

  // `i` does its producer's work too, and reads what that read, at those sizes.
  void swallow(std::size_t i) {
    Kernel& kernel = operations_[i].kernel;
    const Kernel& before = operations_[static_cast<std::size_t>(kernel.inputs[0])].kernel;
    kernel.height = before.height;
    kernel.width = before.width;
    kernel.in_channels = before.in_channels;
    kernel.inputs = std::vector<int>(before.inputs);
  }

  void join_regions() {
    // The last first, so that a long form is found before a shorter one inside of it.
    std::vector<bool> swallowed(operations_.size(), false);
    for (std::size_t i = operations_.size(); i-- > 0;) {
      if (swallowed[i]) continue;
      const Region region = find_region(operations_, readers_, static_cast<int>(i));
      if (region.op == KernelOp::kIdentity) continue;
      for (const int member : region.members) {
        swallowed[static_cast<std::size_t>(member)] = true;
        for (const int input : operations_[static_cast<std::size_t>(member)].kernel.inputs) {
          if (input >= 0 && input == region.entry) --readers_[static_cast<std::size_t>(input)];
        }
      }
      if (region.entry >= 0) ++readers_[static_cast<std::size_t>(region.entry)];
      become(operations_[i], region);
    }
  }

  static void become(Operation& exit, const Region& region) {
    Kernel& kernel = exit.kernel;
    kernel.op = region.op;
    kernel.inputs = {region.entry};
    kernel.height = kernel.out_height;
    kernel.width = kernel.out_width;
    kernel.in_channels = kernel.out_channels;
    exit.operand = Operand::kInput;
  }

  bool fold_affine(std::size_t i) {
    Operation& operation = operations_[i];
    Operation* producer = is_affine(operation) ? only_producer(i) : nullptr;
    if (producer == nullptr || producer->kernel.activation != KernelOp::kIdentity) return false;
    const Kernel& kernel = operation.kernel;
    if (producer->kernel.out_channels != kernel.in_channels) return false;
    if (producer->kernel.batch != kernel.batch) return false;
    if (has_weights(producer->kernel.op)) {
      producer->kernel.activation = kernel.activation;
      fold_away(i);
      return true;
    }
    if (!is_affine(*producer)) return false;
    const bool shifts = kernel.op == KernelOp::kAdd && producer->kernel.op == KernelOp::kAdd;
    if (producer->operand != Operand::kScalar) operation.operand = producer->operand;
    operation.kernel.op = shifts ? KernelOp::kAdd : KernelOp::kBatchNorm;
    swallow(i);
    return true;
  }

  bool fuse_relu(std::size_t i) {
    const Kernel& kernel = operations_[i].kernel;
    Operation* producer = kernel.op == KernelOp::kRelu ? only_producer(i) : nullptr;
    if (producer == nullptr || !takes_relu(producer->kernel.op) ||
        producer->kernel.activation != KernelOp::kIdentity) {
      return false;
    }
    producer->kernel.activation = KernelOp::kRelu;
    fold_away(i);
    return true;
  }

  bool fold_reshape(std::size_t i) {
    Kernel& kernel = operations_[i].kernel;
    const bool reshapes = kernel.op == KernelOp::kReshape;
    if (!reshapes && kernel.op != KernelOp::kTranspose) return false;
    Operation* producer = only_producer(i);
    if (producer == nullptr || producer->kernel.batch != kernel.batch) return false;
    Kernel& before = producer->kernel;
    if (before.op == KernelOp::kReshape) {
      swallow(i);
      return true;
    }
    if (!reshapes || before.op != KernelOp::kTranspose) return false;
    before.out_height = kernel.out_height;
    before.out_width = kernel.out_width;
    before.out_channels = kernel.out_channels;
    fold_away(i);
    return true;
  }

  void fold_padding(std::size_t i) {
    Kernel& kernel = operations_[i].kernel;
    const Operation* producer = has_window(kernel.op) ? only_producer(i) : nullptr;
    if (producer == nullptr || producer->kernel.op != KernelOp::kPad) return;
    if (producer->kernel.in_channels != kernel.in_channels) return;
    if (producer->kernel.batch != kernel.batch) return;
    swallow(i);
  }

  std::vector<Operation> operations_;
  std::vector<int> outputs_;
  std::vector<int> readers_;
  std::vector<int> forward_;  // the operation that computes an operation's result now
  std::vector<bool> live_;
};

}  // namespace

OperationGraph fuse(OperationGraph graph) { return Fuser(std::move(graph)).run(); }

}  // namespace edgewise
