#include "edgewise/network_latency.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include "edgewise/bundle.hpp"
#include "edgewise/error.hpp"
#include "latency_load.hpp"
#include "latency_math.hpp"
#include "latency_update.hpp"

namespace edgewise {

namespace {

std::size_t columns() { return network_columns().size(); }

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorKind::kArgument, message);
}

}  // namespace

NetworkPrior::NetworkPrior(NetworkPriorData data) : data_(std::move(data)) {
  prepare(data_.prices, columns());
  if (data_.prices.semantics.size() != 1) fail("network prior: it has one graph semantics");
  if (!std::isfinite(data_.unexplained) || data_.unexplained < 0.0) {
    fail("network prior: unexplained must not be negative");
  }
}

NetworkPrior NetworkPrior::load(const Bundle& bundle) {
  NetworkPriorData data;
  data.prices = load_prior(bundle, "network.");
  data.unexplained = bundle_numbers(bundle, "network.unexplained", 1).front();
  try {
    return NetworkPrior(std::move(data));
  } catch (const Error& error) {
    throw Error(ErrorKind::kBundle, bundle.label() + ": " + error.what());
  }
}

AdaptedNetwork NetworkPrior::adapt(const double* rows, const double* ms, std::size_t n,
                                   std::size_t alike, double unsteady) const {
  if (n < LatencyPrior::minimum_samples()) {
    fail("adapting needs the timings of at least " +
         std::to_string(LatencyPrior::minimum_samples()) + " networks, not " + std::to_string(n));
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(ms[i]) || ms[i] <= 0.0) {
      fail("timing " + std::to_string(i) + " must be a positive number of ms, not " +
           std::to_string(ms[i]));
    }
  }
  const std::size_t numbers = n * columns();
  if (!std::all_of(rows, rows + numbers, [](double v) { return std::isfinite(v) && v >= 0.0; })) {
    fail("what a timed network asks for must be finite numbers from 0");
  }
  const Matrix timed = Eigen::Map<const Matrix>(rows, index(n), index(columns()));
  if (alike > n) fail("no more networks than were timed can be of one space");
  std::vector<double> misfit(n, data_.unexplained);
  std::fill_n(misfit.begin(), alike, 0.0);
  LatencyUpdate update = update_prior(data_.prices, {{timed, timed}}, ms, misfit.data());
  return {Posterior(std::move(update), data_.prices.floor, data_.prices.interval_scale),
          std::hypot(data_.unexplained, unsteady)};
}

void AdaptedNetwork::predict(const double* rows, std::size_t n, double confidence, double* ms,
                             double* low, double* high) const {
  const double reach = posterior_.reach(confidence);
  const std::size_t width = columns();
  for (std::size_t i = 0; i < n; ++i) {
    FeatureRow row;
    for (std::size_t c = 0; c < width; ++c) row.add(static_cast<int>(c), rows[i * width + c]);
    posterior_.predict(&row, reach, unexplained_, ms + i, low + i, high + i);
  }
}

}  // namespace edgewise
