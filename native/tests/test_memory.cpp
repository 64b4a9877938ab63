// Peak memory of random graphs against an oracle that, at every step, asks of every result whether
// anything still reads it.
#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "check.hpp"
#include "edgewise/memory.hpp"

using namespace edgewise;

namespace {

constexpr int kNowhere = -100;  // a constant's memory

bool is_view(const Kernel& kernel) {
  return kernel.op == KernelOp::kReshape || kernel.op == KernelOp::kIdentity;
}

int holder(const KernelGraph& graph, int result) {
  while (result >= 0 && is_view(graph[result])) {
    if (graph[result].inputs.empty()) return kNowhere;
    result = graph[result].inputs.front();
  }
  return result;
}

std::int64_t size(const KernelGraph& graph, int result) {
  if (result == kNowhere) return 0;
  if (result >= 0) return static_cast<std::int64_t>(graph[result].output_bytes());
  double most = 0.0;
  for (const Kernel& kernel : graph) {
    if (std::count(kernel.inputs.begin(), kernel.inputs.end(), result) == 0) continue;
    most = std::max(most, kernel.input_bytes() / static_cast<double>(kernel.inputs.size()));
  }
  return static_cast<std::int64_t>(most);
}

bool read_from(const KernelGraph& graph, int step, int result) {
  for (std::size_t later = step; later < graph.size(); ++later) {
    const std::vector<int>& inputs = graph[later].inputs;
    if (std::count(inputs.begin(), inputs.end(), result) != 0) return true;
  }
  return false;
}

std::int64_t oracle(const KernelGraph& graph) {
  std::int64_t most = 0;
  for (int step = 0; step < static_cast<int>(graph.size()); ++step) {
    std::set<int> alive = {holder(graph, step)};
    for (int result = -3; result < step; ++result) {
      if (read_from(graph, step, result)) alive.insert(holder(graph, result));
    }
    std::int64_t now = 0;
    for (const int each : alive) now += size(graph, each);
    most = std::max(most, now);
  }
  return most;
}

// Inputs are mostly recent results, sometimes the network's three inputs, sometimes none.
KernelGraph random_graph(std::mt19937& random) {
  static constexpr KernelOp kOps[] = {KernelOp::kConv, KernelOp::kAdd, KernelOp::kReshape,
                                      KernelOp::kIdentity, KernelOp::kRelu};
  KernelGraph graph(1 + random() % 30);
  for (int step = 0; step < static_cast<int>(graph.size()); ++step) {
    Kernel& kernel = graph[step];
    kernel.op = kOps[random() % 5];
    kernel.element_bytes = 1 << random() % 3;
    kernel.height = kernel.width = kernel.out_height = kernel.out_width =
        static_cast<int>(1 + random() % 9);
    kernel.in_channels = static_cast<int>(1 + random() % 9);
    kernel.out_channels = static_cast<int>(1 + random() % 9);
    const std::size_t inputs = kernel.op == KernelOp::kAdd ? 2 : random() % 8 != 0;
    while (kernel.inputs.size() < inputs) {
      const int back = 1 + static_cast<int>(random() % 6);
      kernel.inputs.push_back(std::max(step - back, -1 - static_cast<int>(random() % 3)));
    }
  }
  return graph;
}

Kernel kernel_of(KernelOp op, int channels, std::vector<int> inputs) {
  Kernel kernel;
  kernel.op = op;
  kernel.in_channels = kernel.out_channels = channels;
  kernel.element_bytes = 1;
  kernel.inputs = std::move(inputs);
  return kernel;
}

}  // namespace

TEST(random_graphs) {
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    const KernelGraph graph = random_graph(random);
    CHECK(memory(graph).peak == oracle(graph));
  }
}

TEST(by_hand) {
  CHECK(memory({}).peak == 0);
  // An input of 7 that is read again at the end; a view between; the result of 7.
  const KernelGraph graph = {
      kernel_of(KernelOp::kRelu, 7, {Kernel::kInput}),
      kernel_of(KernelOp::kReshape, 7, {0}),
      kernel_of(KernelOp::kRelu, 7, {1}),
      kernel_of(KernelOp::kAdd, 7, {2, Kernel::kInput}),
  };
  CHECK(memory(graph).peak == 21);
  CHECK(memory({graph[0], graph[1]}).peak == 14);
  CHECK(memory({kernel_of(KernelOp::kIdentity, 7, {})}).peak == 0);
  // A linear layer of 7 x 7 weights; biases are left out.
  CHECK(memory({kernel_of(KernelOp::kLinear, 7, {Kernel::kInput})}).weights == 49);
  CHECK_THROWS(memory({graph[1]}), "kernel 0 reads kernel 0, which comes later");
}

CHECK_MAIN
