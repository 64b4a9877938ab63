// Latency of any network, by what its kernels ask for: multiply-accumulates by kind of convolution,
// bytes that are read, written or moved, launches. A device has a price for each; the prior over
// prices is that of LatencyPriorData, with one graph semantics.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "edgewise/kernel.hpp"
#include "edgewise/latency.hpp"

namespace edgewise {

class Bundle;

// What a network asks for, in millions of multiply-accumulates, megabytes, or counts.
std::vector<std::string> network_columns();
void network_features(const KernelGraph& graph, FeatureRow& row);

struct NetworkPriorData {
  LatencyPriorData prices;
  // Relative standard deviation of what prices leave unexplained of a network unlike those timed.
  double unexplained = 0.1;
};

class AdaptedNetwork;

// Thread-safety: immutable.
class NetworkPrior {
 public:
  // Error(kArgument) when sizes disagree or a value is not usable.
  explicit NetworkPrior(NetworkPriorData data);

  // Reads the tensors "network.*" of a bundle; Error(kBundle) naming what is missing.
  static NetworkPrior load(const Bundle& bundle);

  // Adapts to a device on which `n` networks took `ms` milliseconds each; `rows` (n, columns),
  // row-major, are their features, finite and not negative. The first `alike` of them are of one
  // space, whose prices they tell together; of each of the others, prices leave `unexplained` as
  // they do of a network that is predicted. `unsteady` and Error(kArgument) as of
  // LatencyPrior::adapt.
  AdaptedNetwork adapt(const double* rows, const double* ms, std::size_t n, std::size_t alike,
                       double unsteady = 0.0) const;

 private:
  NetworkPriorData data_;
};

// Thread-safety: immutable.
class AdaptedNetwork {
 public:
  AdaptedNetwork(Posterior posterior, double unexplained)
      : posterior_(std::move(posterior)), unexplained_(unexplained) {}

  // As AdaptedLatency::predict, of `n` networks with features `rows` (n, columns).
  void predict(const double* rows, std::size_t n, double confidence, double* ms, double* low,
               double* high) const;

  const Posterior& posterior() const noexcept { return posterior_; }

 private:
  Posterior posterior_;
  double unexplained_;
};

}  // namespace edgewise
