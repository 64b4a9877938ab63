#include "edgewise/latency.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "edgewise/error.hpp"
#include "edgewise/space.hpp"
#include "latency_math.hpp"

namespace edgewise {

namespace {

// Hypotheses less probable than this change no prediction visibly and are dropped.
constexpr double kLeastWeight = 1e-3;

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
  for (const double value : values) {
    if (!std::isfinite(value)) {
      fail(std::string("latency prior: ") + name + " has a value that is not finite");
    }
  }
}

Eigen::Index index(std::size_t n) { return static_cast<Eigen::Index>(n); }

Eigen::Map<const Matrix> square(const double* values, std::size_t side) {
  return {values, index(side), index(side)};
}

Eigen::Map<const Vector> column(const std::vector<double>& values) {
  return {values.data(), index(values.size())};
}

// The timings as one graph semantics sees them.
struct View {
  Matrix features;   // (n, P)
  double scale;      // ms
  Vector time;       // (n,) in units of scale
  Vector surprise;   // (n,) time less the prior mean
};

// One combination of hypotheses, fitted.
struct Fit {
  double log_evidence;
  std::size_t semantics, covariance, noise;
  Matrix lower;    // Cholesky factor of the timings' covariance
  Vector whitened; // lower^-1 surprise
};

class Update {
 public:
  Update(const LatencyPriorData& prior,
         const std::vector<std::shared_ptr<const Features>>& features, std::size_t code_length,
         const std::uint8_t* codes, const double* ms, std::size_t n)
      : prior_(prior), features_(features), columns_(prior.mean.size()), ms_(ms, index(n)) {
    for (const auto& hypothesis : features_) {
      views_.push_back(view(*hypothesis, code_length, codes, n));
    }
    fit_all();
  }

  LatencyBelief belief() const {
    double most = fits_.front().log_evidence;
    for (const Fit& fit : fits_) most = std::max(most, fit.log_evidence);
    double total = 0.0;
    for (const Fit& fit : fits_) total += std::exp(fit.log_evidence - most);

    LatencyBelief belief;
    double kept = 0.0;
    for (std::size_t h = 0; h < views_.size(); ++h) {
      std::vector<std::pair<double, const Fit*>> parts;
      for (const Fit& fit : fits_) {
        const double weight = std::exp(fit.log_evidence - most) / total;
        if (fit.semantics == h && weight >= kLeastWeight) parts.emplace_back(weight, &fit);
      }
      if (parts.empty()) continue;
      belief.push_back(term(h, parts));
      kept += belief.back().weight;
    }
    for (LatencyTerm& term : belief) term.weight /= kept;
    return belief;
  }

 private:
  View view(const Features& features, std::size_t code_length, const std::uint8_t* codes,
            std::size_t n) const {
    View view{dense_features(features, code_length, codes, n), 1.0, {}, {}};
    const Vector expected = view.features * column(prior_.mean);
    // The prior knows the shape of a device's costs, not its speed. A first guess of the speed
    // suffices: the covariance along the mean corrects it.
    const auto ratio = ms_.array().log() - expected.cwiseMax(kLeastExpected).array().log();
    view.scale = std::exp(ratio.mean());
    view.time = ms_ / view.scale;
    view.surprise = view.time - expected;
    return view;
  }

  void fit_all() {
    const std::size_t covariances = prior_.covariance_log_weight.size();
    for (std::size_t h = 0; h < views_.size(); ++h) {
      const View& view = views_[h];
      const Vector unit = view.time.cwiseMax(prior_.floor);
      for (std::size_t g = 0; g < covariances; ++g) {
        const Matrix prior_of_timings =
            view.features * covariance(g) * view.features.transpose();
        for (std::size_t r = 0; r < prior_.noise.size(); ++r) {
          fits_.push_back(fit(h, g, r, prior_of_timings, unit));
        }
      }
    }
  }

  Fit fit(std::size_t h, std::size_t g, std::size_t r, const Matrix& prior_of_timings,
          const Vector& unit) const {
    const View& view = views_[h];
    Matrix covariance_of_timings = prior_of_timings;
    covariance_of_timings.diagonal() += (prior_.noise[r] * unit).cwiseAbs2();
    const Eigen::LLT<Matrix> cholesky(covariance_of_timings);
    Fit fit{0.0, h, g, r, cholesky.matrixL(), {}};
    fit.whitened = fit.lower.triangularView<Eigen::Lower>().solve(view.surprise);
    // The density of the timings in ms: the scale's share makes semantics comparable.
    const double log_density = -0.5 * fit.whitened.squaredNorm() -
                               fit.lower.diagonal().array().log().sum() -
                               static_cast<double>(ms_.size()) * std::log(view.scale);
    fit.log_evidence = log_density + prior_.semantics_log_weight[h] +
                       prior_.covariance_log_weight[g] + prior_.noise_log_weight[r];
    return fit;
  }

  // The moments of a mixture of the fits of one graph semantics.
  LatencyTerm term(std::size_t h, const std::vector<std::pair<double, const Fit*>>& parts) const {
    const View& view = views_[h];
    double weight = 0.0;
    double noise = 0.0;
    Vector mean = Vector::Zero(index(columns_));
    Matrix second = Matrix::Zero(index(columns_), index(columns_));
    for (const auto& [share, fit] : parts) {
      const Matrix prior = covariance(fit->covariance);
      const Matrix gain =
          fit->lower.triangularView<Eigen::Lower>().solve(view.features * prior);
      // Moments about the prior mean, which all parts share.
      const Vector shift = gain.transpose() * fit->whitened;
      mean += share * shift;
      second.noalias() += share * (prior - gain.transpose() * gain + shift * shift.transpose());
      weight += share;
      noise += share * prior_.noise[fit->noise] * prior_.noise[fit->noise];
    }
    mean /= weight;
    second /= weight;
    second.noalias() -= mean * mean.transpose();

    LatencyTerm term;
    term.semantics = h;
    term.features = features_[h];
    term.weight = weight;
    term.noise = std::sqrt(noise / weight);
    term.scale = view.scale;
    term.mean.resize(columns_);
    Eigen::Map<Vector>(term.mean.data(), index(columns_)) =
        (mean + column(prior_.mean)) * view.scale;
    term.covariance.resize(columns_ * columns_);
    Eigen::Map<Matrix>(term.covariance.data(), index(columns_), index(columns_)) =
        0.5 * view.scale * view.scale * (second + second.transpose());
    return term;
  }

  Eigen::Map<const Matrix> covariance(std::size_t g) const {
    return square(prior_.covariance.data() + g * columns_ * columns_, columns_);
  }

  // Of the mean device, in units of scale: keeps the logarithm of a near-empty network tame.
  static constexpr double kLeastExpected = 0.05;

  const LatencyPriorData& prior_;
  const std::vector<std::shared_ptr<const Features>>& features_;
  std::size_t columns_;
  Eigen::Map<const Vector> ms_;
  std::vector<View> views_;  // one per graph semantics
  std::vector<Fit> fits_;
};

}  // namespace

LatencyPrior::LatencyPrior(const Space& space, LatencyPriorData data)
    : space_(&space), data_(std::move(data)) {
  const std::size_t hypotheses = data_.semantics.size();
  const ExecutionShape shape = execution_shape(space);
  const std::size_t table = shape.patterns * shape.positions;
  if (hypotheses == 0 || data_.covariance_log_weight.empty() || data_.noise.empty()) {
    fail("latency prior: there must be at least one semantics, covariance and noise level");
  }
  expect_size(data_.semantics_log_weight, hypotheses, "semantics_log_weight");
  expect_size(data_.execution, hypotheses * table, "execution");
  for (std::size_t h = 0; h < hypotheses; ++h) {
    features_.push_back(make_features(space, data_.execution.data() + h * table));
  }
  const std::size_t columns = features_.front()->columns();
  const std::size_t covariances = data_.covariance_log_weight.size();
  expect_size(data_.mean, columns, "mean");
  expect_size(data_.covariance, covariances * columns * columns, "covariance");
  expect_size(data_.covariance_log_weight, covariances, "covariance_log_weight");
  expect_size(data_.noise_log_weight, data_.noise.size(), "noise_log_weight");
  expect_size(data_.noise, data_.noise_log_weight.size(), "noise");
  expect_size({data_.floor, data_.interval_scale}, 2, "floor and interval_scale");
  const bool positive = *std::min_element(data_.noise.begin(), data_.noise.end()) > 0.0 &&
                        data_.floor > 0.0 && data_.interval_scale > 0.0;
  if (!positive) fail("latency prior: noise, floor and interval_scale must be positive");
  normalise(data_.semantics_log_weight);
  normalise(data_.covariance_log_weight);
  normalise(data_.noise_log_weight);
}

AdaptedLatency LatencyPrior::adapt(const std::uint8_t* codes, const double* ms,
                                   std::size_t n) const {
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
  const Update update(data_, features_, space_->code_length(), codes, ms, n);
  return AdaptedLatency(space_->code_length(), data_.floor, data_.interval_scale,
                        update.belief());
}

LatencyBelief LatencyPrior::belief() const {
  const std::size_t cells = columns() * columns();
  std::vector<double> covariance(cells, 0.0);
  for (std::size_t g = 0; g < data_.covariance_log_weight.size(); ++g) {
    const double weight = std::exp(data_.covariance_log_weight[g]);
    for (std::size_t i = 0; i < cells; ++i) {
      covariance[i] += weight * data_.covariance[g * cells + i];
    }
  }
  double log_noise = 0.0;
  for (std::size_t r = 0; r < data_.noise.size(); ++r) {
    log_noise += std::exp(data_.noise_log_weight[r]) * std::log(data_.noise[r]);
  }
  LatencyBelief belief;
  for (std::size_t h = 0; h < features_.size(); ++h) {
    belief.push_back({h, features_[h], std::exp(data_.semantics_log_weight[h]),
                      std::exp(log_noise), 1.0, data_.mean, covariance});
  }
  return belief;
}

AdaptedLatency::AdaptedLatency(std::size_t code_length, double floor, double interval_scale,
                               LatencyBelief belief)
    : code_length_(code_length),
      floor_(floor),
      interval_scale_(interval_scale),
      belief_(std::move(belief)) {
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

void AdaptedLatency::predict(const std::uint8_t* codes, std::size_t n, double confidence,
                             double* ms, double* low, double* high) const {
  if (!(confidence > 0.0 && confidence < 1.0)) {
    fail("confidence must lie between 0 and 1, not " + std::to_string(confidence));
  }
  const double z = two_sided_quantile(confidence) * interval_scale_;
  FeatureRow row;
  for (std::size_t i = 0; i < n; ++i) {
    // Mean and variance of a mixture: E[v] + E[m^2] - E[m]^2, taken about the first term's mean so
    // that nothing cancels.
    double first = 0.0;
    double drift = 0.0;
    double second = 0.0;
    for (std::size_t h = 0; h < belief_.size(); ++h) {
      const LatencyTerm& term = belief_[h];
      term.features->row(codes + i * code_length_, row);
      const double mean = dot(row, term.mean.data());
      if (h == 0) first = mean;
      const double noise = term.noise * std::max(mean, floor_ * term.scale);
      const double offset = mean - first;
      drift += term.weight * offset;
      second += term.weight * (quadratic(row, term.covariance.data(), term.mean.size()) +
                               noise * noise + offset * offset);
    }
    ms[i] = std::max(first + drift, least_ms_);
    const double variance = std::max(second - drift * drift, 0.0);
    // In the logarithm, so that no interval reaches below zero.
    const double factor = std::exp(std::min(z * std::sqrt(variance) / ms[i], kWidestLog));
    low[i] = ms[i] / factor;
    high[i] = ms[i] * factor;
  }
}

std::vector<double> AdaptedLatency::embedding() const {
  std::vector<double> costs(belief_.front().mean.size(), 0.0);
  for (const LatencyTerm& term : belief_) {
    for (std::size_t i = 0; i < costs.size(); ++i) costs[i] += term.weight * term.mean[i];
  }
  return costs;
}

std::size_t AdaptedLatency::next_reference(const std::uint8_t* candidates, std::size_t n) const {
  if (n == 0) fail("there is no candidate to choose the next reference from");
  return choose_references(belief_, floor_, code_length_, candidates, n, 1).front();
}

}  // namespace edgewise
