#include "edgewise/latency.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <utility>

#include "edgewise/error.hpp"
#include "edgewise/space.hpp"
#include "latency_math.hpp"
#include "latency_update.hpp"

namespace edgewise {

namespace {

// An interval is never wider than a factor of e^3 to each side.
constexpr double kWidestLog = 3.0;

[[noreturn]] void fail(const std::string& message) {
  throw Error(ErrorKind::kArgument, message);
}

// Subtracts the log of the sum of exponentials: unnormalised log weights become log probabilities.
void normalise(std::vector<double>& log_weight) {
  const double most = *std::max_element(log_weight.begin(), log_weight.end());
  double sum = 0.0;
  for (const double w : log_weight) sum += std::exp(w - most);
  for (double& w : log_weight) w -= most + std::log(sum);
}

void expect_size(const std::vector<double>& values, std::size_t size, const char* name) {
  if (values.size() != size) {
    fail(std::string("latency prior: ") + name + " has " + std::to_string(values.size()) +
         " values where " + std::to_string(size) + " belong");
  }
  constexpr double kLargest = 1e100;  // beyond, products of a few of them overflow
  for (const double value : values) {
    if (!(std::abs(value) <= kLargest)) {
      fail(std::string("latency prior: ") + name + " has a value that is not finite, or vast");
    }
  }
}

void expect_variances(const std::vector<double>& values, const char* name) {
  if (std::any_of(values.begin(), values.end(), [](double v) { return v < 0.0; })) {
    fail(std::string("latency prior: ") + name + " has a negative value");
  }
}

// Architectures from all over a space, on which the shape of errors is looked at.
constexpr std::size_t kProbes = 16;

// Drawn evenly, and always the same ones.
std::vector<std::uint8_t> probe_codes(const Space& space) {
  const std::vector<std::vector<std::uint8_t>> choices = space.choices();
  std::vector<std::uint8_t> codes(kProbes * space.code_length());
  std::uint64_t state = 1;
  for (std::size_t i = 0; i < codes.size(); ++i) {
    // The multiplier of Knuth's MMIX; the high bits are the random ones.
    state = state * 6364136223846793005u + 1442695040888963407u;
    const auto& values = choices[i % choices.size()];
    codes[i] = values[(state >> 33) % values.size()];
  }
  for (std::size_t i = 0; i < kProbes; ++i) space.canonical(&codes[i * space.code_length()]);
  return codes;
}

}  // namespace

void prepare(LatencyPriorData& data, std::size_t columns) {
  if (data.semantics.empty() || data.covariance_log_weight.empty() || data.noise.empty()) {
    fail("latency prior: there must be at least one semantics, covariance and noise level");
  }
  const std::size_t covariances = data.covariance_log_weight.size();
  const std::size_t factors = data.factors.size() / columns;
  expect_size(data.semantics_log_weight, data.semantics.size(), "semantics_log_weight");
  expect_size(data.mean, covariances * columns, "mean");
  expect_size(data.factors, columns * factors, "factors");
  expect_size(data.factor_variance, covariances * factors, "factor_variance");
  expect_size(data.own_variance, covariances * columns, "own_variance");
  expect_size(data.covariance_log_weight, covariances, "covariance_log_weight");
  expect_size(data.noise_log_weight, data.noise.size(), "noise_log_weight");
  expect_size(data.noise, data.noise_log_weight.size(), "noise");
  expect_size({data.floor, data.interval_scale}, 2, "floor and interval_scale");
  expect_variances(data.factor_variance, "factor_variance");
  expect_variances(data.own_variance, "own_variance");
  const bool positive = *std::min_element(data.noise.begin(), data.noise.end()) > 0.0 &&
                        data.floor > 0.0 && data.interval_scale > 0.0;
  if (!positive) fail("latency prior: noise, floor and interval_scale must be positive");
  normalise(data.semantics_log_weight);
  normalise(data.covariance_log_weight);
  normalise(data.noise_log_weight);
}

LatencyPrior::LatencyPrior(const Space& space, LatencyPriorData data)
    : space_(&space), data_(std::move(data)) {
  const ExecutionShape shape = execution_shape(space);
  const std::size_t table = shape.patterns * shape.positions;
  if (data_.semantics.empty()) fail("latency prior: there must be at least one semantics");
  expect_size(data_.execution, data_.semantics.size() * table, "execution");
  for (std::size_t h = 0; h < data_.semantics.size(); ++h) {
    features_.push_back(make_features(space, data_.execution.data() + h * table));
  }
  prepare(data_, columns());
}

AdaptedLatency LatencyPrior::adapt(const std::uint8_t* codes, const double* ms, std::size_t n,
                                   double unsteady) const {
  if (n < minimum_samples()) {
    fail("adapting needs the timings of at least " + std::to_string(minimum_samples()) +
         " architectures, not " + std::to_string(n));
  }
  for (std::size_t i = 0; i < n; ++i) {
    if (!std::isfinite(ms[i]) || ms[i] <= 0.0) {
      fail("the timing of " + space_->decode(codes + i * space_->code_length()) +
           " must be a positive number of ms, not " + std::to_string(ms[i]));
    }
  }
  const std::vector<std::uint8_t> probes = probe_codes(*space_);
  std::vector<FeatureView> views;
  for (const auto& features : features_) {
    views.push_back({dense_features(*features, space_->code_length(), codes, n),
                     dense_features(*features, space_->code_length(), probes.data(), kProbes)});
  }
  LatencyUpdate update = update_prior(data_, std::move(views), ms);
  for (LatencyTerm& term : update.belief) term.features = features_[term.semantics];
  return {*space_, Posterior(std::move(update), data_.floor, data_.interval_scale), unsteady};
}

LatencyBelief LatencyPrior::belief() const {
  const Eigen::Index size = index(columns());
  Vector mean = Vector::Zero(size);
  Matrix second = Matrix::Zero(size, size);
  for (std::size_t g = 0; g < data_.covariance_log_weight.size(); ++g) {
    const double weight = std::exp(data_.covariance_log_weight[g]);
    const auto own = column(&data_.mean[g * columns()], columns());
    mean += weight * own;
    second += weight * (prior_covariance(data_, g) + own * own.transpose());
  }
  second -= mean * mean.transpose();
  const std::vector<double> costs(mean.data(), mean.data() + size);
  const std::vector<double> cells(second.data(), second.data() + second.size());
  double noise = 0.0;
  for (std::size_t r = 0; r < data_.noise.size(); ++r) {
    noise += std::exp(data_.noise_log_weight[r]) * data_.noise[r] * data_.noise[r];
  }
  LatencyBelief belief;
  for (std::size_t h = 0; h < features_.size(); ++h) {
    belief.push_back({h, features_[h], std::exp(data_.semantics_log_weight[h]),
                      std::sqrt(noise), 1.0, costs, cells, {}});
  }
  return belief;
}

Posterior::Posterior(LatencyUpdate update, double floor, double interval_scale)
    : belief_(std::move(update.belief)),
      shape_(std::move(update.shape)),
      rounding_(update.rounding),
      floor_(floor),
      interval_scale_(interval_scale),
      usual_quantile_(shape_.quantile(kUsualConfidence)) {
  constexpr double kLeastShare = 1e-3;
  double most = 0.0;
  double noise = 0.0;
  for (const LatencyTerm& term : belief_) {
    least_ms_ += term.weight * term.scale * kLeastShare;
    noise += term.weight * term.noise * term.noise;
    if (term.weight > most) {
      most = term.weight;
      best_ = term.semantics;
    }
  }
  noise_ = std::sqrt(noise);
}

double Posterior::reach(double confidence) const {
  if (!(confidence > 0.0 && confidence < 1.0)) {
    fail("confidence must lie between 0 and 1, not " + std::to_string(confidence));
  }
  const double quantile =
      confidence == kUsualConfidence ? usual_quantile_ : shape_.quantile(confidence);
  return quantile * interval_scale_;
}

void Posterior::predict(const FeatureRow* rows, double reach, double unexplained, double* ms,
                        double* low, double* high) const noexcept {
  // Mean and variance of a mixture: E[v] + E[m^2] - E[m]^2, taken about the first term's mean so
  // that nothing cancels.
  double first = 0.0;
  double drift = 0.0;
  double second = 0.0;
  for (std::size_t h = 0; h < belief_.size(); ++h) {
    const LatencyTerm& term = belief_[h];
    const double mean = dot(rows[h], term.mean.data());
    if (h == 0) first = mean;
    const double noise = term.noise * std::max(mean, floor_ * term.scale);
    const double offset = mean - first;
    drift += term.weight * offset;
    second += term.weight * (term.spread.variance(rows[h]) + noise * noise + offset * offset);
  }
  *ms = std::max(first + drift, least_ms_);
  const double other = unexplained * *ms;
  const double variance =
      std::max(second - drift * drift, 0.0) + rounding_ * rounding_ + other * other;
  // In the logarithm, so that no interval reaches below zero.
  const double factor = std::exp(std::min(reach * std::sqrt(variance) / *ms, kWidestLog));
  *low = *ms / factor;
  *high = *ms * factor;
}

std::vector<double> Posterior::embedding() const {
  std::vector<double> costs(belief_.front().mean.size(), 0.0);
  for (const LatencyTerm& term : belief_) {
    for (std::size_t i = 0; i < costs.size(); ++i) costs[i] += term.weight * term.mean[i];
  }
  return costs;
}

void AdaptedLatency::predict(const std::uint8_t* codes, std::size_t n, double confidence,
                             double* ms, double* low, double* high) const {
  const double reach = posterior_.reach(confidence);
  const LatencyBelief& belief = posterior_.belief();
  std::array<FeatureRow, 8> few;  // one prediction allocates nothing
  std::vector<FeatureRow> many(belief.size() > few.size() ? belief.size() : 0);
  FeatureRow* const rows = many.empty() ? few.data() : many.data();
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t h = 0; h < belief.size(); ++h) {
      belief[h].features->row(codes + i * space_->code_length(), rows[h]);
    }
    posterior_.predict(rows, reach, unsteady_, ms + i, low + i, high + i);
  }
}

std::size_t AdaptedLatency::next_reference(const std::uint8_t* candidates, std::size_t n) const {
  return choose_references(posterior_.belief(), posterior_.floor(), *space_, candidates, n, 1)
      .front();
}

}  // namespace edgewise
