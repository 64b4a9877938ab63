#include "edgewise/memory.hpp"

#include <algorithm>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

// Memory that is in use from step `first` to step `last`.
struct Buffer {
  std::int64_t bytes = 0;
  std::size_t first = 0;
  std::size_t last = 0;
};

class Buffers {
 public:
  explicit Buffers(const KernelGraph& graph) : owner_(graph.size()) {
    buffers_.reserve(graph.size() + 1);
    for (std::size_t step = 0; step < graph.size(); ++step) visit(graph[step], step);
  }

  std::int64_t peak() const {
    std::vector<std::int64_t> change(owner_.size() + 1);
    for (const Buffer& buffer : buffers_) {
      change[buffer.first] += buffer.bytes;
      change[buffer.last + 1] -= buffer.bytes;
    }
    std::int64_t now = 0;
    std::int64_t most = 0;
    for (const std::int64_t by : change) most = std::max(most, now += by);
    return most;
  }

 private:
  void visit(const Kernel& kernel, std::size_t step) {
    for (const int input : kernel.inputs) {
      if (input >= static_cast<int>(step)) {
        throw Error(ErrorKind::kArgument, "kernel " + std::to_string(step) + " reads kernel " +
                                              std::to_string(input) + ", which comes later");
      }
      Buffer& read = buffers_[input < 0 ? of_network_input(kernel, input) : owner_[input]];
      read.last = step;
    }
    const bool view = kernel.op == KernelOp::kReshape || kernel.op == KernelOp::kIdentity;
    if (view && !kernel.inputs.empty()) {
      const int input = kernel.inputs.front();
      owner_[step] = input < 0 ? inputs_.at(input) : owner_[input];
      return;
    }
    owner_[step] = buffers_.size();
    // A view of a constant lies among the weights.
    buffers_.push_back({view ? 0 : std::llround(kernel.output_bytes()), step, step});
  }

  // An input is as large as the most that any kernel reads of it; it is there from the start.
  std::size_t of_network_input(const Kernel& kernel, int input) {
    const auto [it, added] = inputs_.emplace(input, buffers_.size());
    if (added) buffers_.emplace_back();
    const double bytes = kernel.input_bytes() / static_cast<double>(kernel.inputs.size());
    Buffer& buffer = buffers_[it->second];
    buffer.bytes = std::max<std::int64_t>(buffer.bytes, std::llround(bytes));
    return it->second;
  }

  std::vector<Buffer> buffers_;
  std::vector<std::size_t> owner_;  // the buffer that holds each kernel's result
  std::map<int, std::size_t> inputs_;
};

}  // namespace

Memory memory(const KernelGraph& graph) {
  Memory needed;
  needed.peak = Buffers(graph).peak();
  for (const Kernel& kernel : graph) needed.weights += std::llround(kernel.weight_bytes());
  return needed;
}

}  // namespace edgewise
