// The `edgewise` latency predictor: a Bayesian linear model of a device's costs.
//
//   ms = scale x (features(arch) . w) x (1 + noise)
//
// The prior over w comes from many devices (meta-training, on the host). Three things about a new
// device are unknown beside w and are averaged over by evidence: which operations its runtime
// executes (graph semantics), what kind of device it is and how far its costs may lie from those of
// the training devices (mean and covariance), and how noisy its timings are. Adapting is one closed-form update per
// combination; there is no training loop on the device.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "edgewise/features.hpp"

namespace edgewise {

class Bundle;
class Space;

// What meta-training found. H semantics, G kinds of devices, R noise levels, P feature columns, F
// factors. A device of kind g has costs of mean mean[g] and covariance
// factors diag(factor_variance[g]) factors' + diag(own_variance[g]).
struct LatencyPriorData {
  std::vector<std::string> semantics;          // (H,) names
  std::vector<double> semantics_log_weight;    // (H,) unnormalised log prior
  std::vector<double> execution;               // (H, patterns, positions), see features.hpp
  std::vector<double> mean;                    // (G, P) costs of a device whose scale is 1
  std::vector<double> factors;                 // (P, F) ways in which costs differ together
  std::vector<double> factor_variance;         // (G, F)
  std::vector<double> own_variance;            // (G, P) of each cost by itself
  std::vector<double> covariance_log_weight;   // (G,)
  std::vector<double> noise;                   // (R,) relative standard deviations of a timing
  std::vector<double> noise_log_weight;        // (R,)
  double floor = 0.25;           // noise is relative to ms, but to no less than floor x scale
  double interval_scale = 1.0;   // widens intervals; calibrated on left-out device families
};

// A covariance (P, P) from which variances of sparse rows come fast: a product of a thin factor with
// itself, and a diagonal for what is left. Exact up to single precision while P <= kRank; beyond
// that, what is left between different columns is neglected.
struct VarianceFactor {
  static constexpr std::size_t kRank = 32;
  std::vector<float> factor;  // (P, kRank)
  std::vector<float> rest;    // (P,)

  static VarianceFactor of(const std::vector<double>& covariance, std::size_t columns);
  double variance(const FeatureRow& row) const noexcept;
};

// One graph semantics and what is believed of a device's costs under it.
struct LatencyTerm {
  std::size_t semantics = 0;          // index into LatencyPriorData::semantics
  std::shared_ptr<const Features> features;
  double weight = 1.0;                // probability
  double noise = 0.0;                 // relative standard deviation (root mean square)
  double scale = 1.0;                 // ms
  std::vector<double> mean;           // (P,) ms
  std::vector<double> covariance;     // (P, P) ms^2
  VarianceFactor spread;              // the same, for predicting
};

// A belief about a device: a mixture over graph semantics.
using LatencyBelief = std::vector<LatencyTerm>;

// The shape of a prediction's error: a mixture of centred normal distributions, one for each
// combination of hypotheses, with standard deviations relative to that of the whole. Its tails are
// heavier and its middle narrower than those of one normal distribution.
struct ErrorShape {
  std::vector<double> weight;  // sum to one
  std::vector<double> spread;

  // The q with P(|error| <= q) = confidence, in standard deviations of the whole.
  double quantile(double confidence) const;
};

// Chooses `count` of `candidates` (N architectures of `space`) to time next, best first: I-optimal
// design, which makes the mean variance of the predictions of all candidates smallest: relative to
// latency in spaces of several graph semantics, of the distance from their common mean in others.
// Chosen greedily and then exchanged for better ones: the first five among themselves, then the next
// five, then all others, so that the first five and ten are the same for every larger count. Candidates that compute a constant are never chosen; beyond 4096 of the others, and
// 1024 predictions, they are thinned evenly. Returns indices into the candidates.
// Error(kArgument) when fewer than `count` can be chosen.
std::vector<std::size_t> choose_references(const LatencyBelief& belief, double floor,
                                           const Space& space, const std::uint8_t* candidates,
                                           std::size_t n, std::size_t count);

// What timings turn a prior into.
struct LatencyUpdate {
  LatencyBelief belief;
  ErrorShape shape;
  double rounding = 0.0;  // standard deviation, ms, of what a coarse clock rounds away
};

// The confidence whose quantile is kept ready, and the default of every layer.
inline constexpr double kUsualConfidence = 0.9;

// A device that is known, as it predicts from rows of features. Thread-safety: immutable.
class Posterior {
 public:
  Posterior(LatencyUpdate update, double floor, double interval_scale);

  // How many standard deviations an interval of that confidence (0 < confidence < 1, or
  // Error(kArgument)) reaches to each side.
  double reach(double confidence) const;

  // The expected median latency, ms, and its interval, of an architecture with these features under
  // each term of the belief. `unexplained` is a relative standard deviation, of what no feature
  // accounts for.
  void predict(const FeatureRow* rows, double reach, double unexplained, double* ms, double* low,
               double* high) const noexcept;

  // The hardware embedding: expected cost in ms of each feature column, averaged over semantics.
  std::vector<double> embedding() const;

  double noise() const noexcept { return noise_; }          // relative, root mean square
  std::size_t semantics() const noexcept { return best_; }  // the most probable, an index
  const LatencyBelief& belief() const noexcept { return belief_; }
  double floor() const noexcept { return floor_; }

 private:
  LatencyBelief belief_;
  ErrorShape shape_;
  double rounding_;
  double floor_;
  double interval_scale_;
  double usual_quantile_;  // of kUsualConfidence
  double least_ms_ = 0.0;  // no prediction is below: a thousandth of the device's scale
  double noise_ = 0.0;
  std::size_t best_ = 0;
};

class AdaptedLatency;

// Thread-safety: immutable; all members may be called from any number of threads.
class LatencyPrior {
 public:
  // Error(kArgument) when sizes disagree or a value is not usable.
  LatencyPrior(const Space& space, LatencyPriorData data);

  // Reads the tensors "edgewise.*" of a latency bundle; Error(kBundle) naming what is missing.
  static LatencyPrior load(const Space& space, const Bundle& bundle);

  // Adapts to a device on which `n` architectures took `ms` milliseconds each.
  // `unsteady` is the relative standard deviation of the speed of the device as a whole while it was
  // timed, which makes every interval wider and changes nothing else.
  // Error(kArgument) when n < minimum_samples(), a timing is not positive and finite, or numbers are
  // so far apart that reckoning with them overflows.
  AdaptedLatency adapt(const std::uint8_t* codes, const double* ms, std::size_t n,
                       double unsteady = 0.0) const;

  // The belief before any timing, at scale 1: what reference architectures are chosen from.
  LatencyBelief belief() const;

  static constexpr std::size_t minimum_samples() noexcept { return 2; }
  const Space& space() const noexcept { return *space_; }
  const LatencyPriorData& data() const noexcept { return data_; }
  std::size_t columns() const noexcept { return features_.front()->columns(); }

 private:
  const Space* space_;
  LatencyPriorData data_;
  std::vector<std::shared_ptr<const Features>> features_;  // (H,)
};

// A device that is known. Thread-safety: immutable, as LatencyPrior.
class AdaptedLatency {
 public:
  AdaptedLatency(const Space& space, Posterior posterior, double unsteady)
      : space_(&space), posterior_(std::move(posterior)), unsteady_(unsteady) {}

  // Predicts `n` architectures: ms[i] is the expected median latency, and the true one lies in
  // [low[i], high[i]] with probability `confidence` (0 < confidence < 1, or Error(kArgument)).
  void predict(const std::uint8_t* codes, std::size_t n, double confidence, double* ms, double* low,
               double* high) const;

  // The candidate whose timing would teach most, an index; see choose_references.
  std::size_t next_reference(const std::uint8_t* candidates, std::size_t n) const;

  const Posterior& posterior() const noexcept { return posterior_; }

 private:
  const Space* space_;
  Posterior posterior_;
  double unsteady_;
};

// Checks that the parts of a prior fit together, for features of that many columns, and turns its
// log weights into log probabilities. Error(kArgument) otherwise.
void prepare(LatencyPriorData& data, std::size_t columns);

}  // namespace edgewise
