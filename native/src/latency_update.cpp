#include "latency_update.hpp"

#include <Eigen/Cholesky>
#include <algorithm>
#include <cmath>
#include <utility>

#include "edgewise/error.hpp"
#include "latency_math.hpp"

namespace edgewise {

namespace {

// Hypotheses less probable than this change no prediction visibly and are dropped.
constexpr double kLeastWeight = 1e-3;

// The step of the clock that took the timings, in ms: the coarsest of which all are multiples, or 0
// when they are multiples of none. A clock of whole milliseconds is no rare thing on phones.
double clock_step(const double* ms, std::size_t n) {
  constexpr std::size_t kEnough = 4;  // fewer timings are multiples by chance
  if (n < kEnough) return 0.0;
  for (const double step : {10.0, 5.0, 1.0, 0.5, 0.1}) {
    const auto multiple = [step](double value) {
      return std::abs(value / step - std::round(value / step)) < 1e-9;
    };
    if (std::all_of(ms, ms + n, multiple)) return step;
  }
  return 0.0;
}

double median(Vector values) {
  std::sort(values.data(), values.data() + values.size());
  return 0.5 * (values[(values.size() - 1) / 2] + values[values.size() / 2]);
}

// The timings under one graph semantics, mean and covariance of the costs.
struct Outset {
  Matrix cross;     // (n, P) prior covariances of the timings with the costs
  double scale;     // ms
  Vector time;      // (n,) in units of scale
  Vector surprise;  // (n,) time less what was expected
};

// What one fit predicts of the probes.
struct Outlook {
  double weight;
  Vector mean;      // (probes,) ms
  Vector variance;  // (probes,) ms^2, noise included
};

// One combination of hypotheses, fitted.
struct Fit {
  double log_evidence;
  std::size_t semantics, covariance, noise;
  Matrix lower;    // Cholesky factor of the timings' covariance
  Vector whitened; // lower^-1 surprise
};

class Updater {
 public:
  Updater(const LatencyPriorData& prior, std::vector<FeatureView> views, const double* ms,
          const double* misfit)
      : prior_(prior),
        views_(std::move(views)),
        columns_(static_cast<std::size_t>(views_.front().timed.cols())),
        ms_(ms, views_.front().timed.rows()),
        misfit_(Vector::Zero(ms_.size())),
        rounding_(clock_step(ms, static_cast<std::size_t>(ms_.size())) / std::sqrt(12.0)) {
    if (misfit != nullptr) misfit_ = Eigen::Map<const Vector>(misfit, ms_.size());
    for (std::size_t g = 0; g < kinds(); ++g) covariances_.push_back(prior_covariance(prior, g));
    for (const FeatureView& view : views_) {
      for (std::size_t g = 0; g < kinds(); ++g) outsets_.push_back(outset(view, g));
    }
    fit_all();
    believe();
  }

  LatencyUpdate take() { return {std::move(belief_), std::move(shape_), rounding_}; }

 private:
  std::size_t kinds() const noexcept { return prior_.covariance_log_weight.size(); }

  Eigen::Map<const Vector> mean(std::size_t g) const {
    return column(&prior_.mean[g * columns_], columns_);
  }

  const Outset& outset_of(std::size_t h, std::size_t g) const { return outsets_[h * kinds() + g]; }

  Outset outset(const FeatureView& view, std::size_t g) const {
    const Vector expected = view.timed * mean(g);
    // The prior knows the shape of a device's costs, not its speed. A first guess of the speed
    // suffices: the covariance along the mean corrects it. The median, for a network may fold away.
    const double scale = median(ms_.cwiseQuotient(expected.cwiseMax(kLeastExpected)));
    const Vector time = ms_ / scale;
    return {view.timed * covariances_[g], scale, time, time - expected};
  }

  void fit_all() {
    for (std::size_t h = 0; h < views_.size(); ++h) {
      for (std::size_t g = 0; g < kinds(); ++g) {
        const Matrix prior_of_timings = outset_of(h, g).cross * views_[h].timed.transpose();
        for (std::size_t r = 0; r < prior_.noise.size(); ++r) {
          fits_.push_back(fit(h, g, r, prior_of_timings));
        }
      }
    }
  }

  Fit fit(std::size_t h, std::size_t g, std::size_t r, const Matrix& prior_of_timings) const {
    const Outset& outset = outset_of(h, g);
    Matrix covariance_of_timings = prior_of_timings;
    const double rounding = rounding_ / outset.scale;
    covariance_of_timings.diagonal().array() +=
        (prior_.noise[r] * outset.time.cwiseMax(prior_.floor)).array().square() +
        misfit_.cwiseProduct(outset.time).array().square() + rounding * rounding;
    const Eigen::LLT<Matrix> cholesky(covariance_of_timings);
    Fit fit{0.0, h, g, r, cholesky.matrixL(), {}};
    fit.whitened = fit.lower.triangularView<Eigen::Lower>().solve(outset.surprise);
    // The density of the timings in ms: the scale's share makes hypotheses comparable.
    const double log_density = -0.5 * fit.whitened.squaredNorm() -
                               fit.lower.diagonal().array().log().sum() -
                               static_cast<double>(ms_.size()) * std::log(outset.scale);
    fit.log_evidence = log_density + prior_.semantics_log_weight[h] +
                       prior_.covariance_log_weight[g] + prior_.noise_log_weight[r];
    return fit;
  }

  // Keeps the fits that matter: their moments by graph semantics, and the shape of them all. Fits
  // whose numbers overflowed say nothing.
  void believe() {
    fits_.erase(std::remove_if(fits_.begin(), fits_.end(),
                               [](const Fit& fit) { return !std::isfinite(fit.log_evidence); }),
                fits_.end());
    if (fits_.empty()) fail();
    double most = fits_.front().log_evidence;
    for (const Fit& fit : fits_) most = std::max(most, fit.log_evidence);
    double total = 0.0;
    for (const Fit& fit : fits_) total += std::exp(fit.log_evidence - most);

    double kept = 0.0;
    for (std::size_t h = 0; h < views_.size(); ++h) {
      std::vector<std::pair<double, const Fit*>> parts;
      for (const Fit& fit : fits_) {
        const double weight = std::exp(fit.log_evidence - most) / total;
        if (fit.semantics == h && weight >= kLeastWeight) parts.emplace_back(weight, &fit);
      }
      if (parts.empty()) continue;
      belief_.push_back(term(h, parts));
      kept += belief_.back().weight;
    }
    for (LatencyTerm& term : belief_) term.weight /= kept;
    for (Outlook& outlook : outlooks_) outlook.weight /= kept;
    shape_errors();
    if (!usable()) fail();
  }

  [[noreturn]] static void fail() {
    throw Error(ErrorKind::kArgument,
                "the timings, or what was timed, are so large or so small that they cannot be "
                "reckoned with: give milliseconds, of networks as they are");
  }

  // Whether all that was found are numbers; checked at the end, where every overflow arrives.
  bool usable() const {
    const auto finite = [](const auto& values) {
      return std::all_of(values.begin(), values.end(),
                         [](auto value) { return std::isfinite(value); });
    };
    for (const LatencyTerm& term : belief_) {
      if (!finite(term.mean) || !finite(term.covariance) || !finite(term.spread.factor) ||
          !finite(term.spread.rest) || !std::isfinite(term.noise) || !std::isfinite(term.scale) ||
          !std::isfinite(term.weight)) {
        return false;
      }
    }
    return !belief_.empty() && finite(shape_.weight) && finite(shape_.spread);
  }

  void shape_errors() {
    Vector mean = Vector::Zero(views_.front().probes.rows());
    for (const Outlook& outlook : outlooks_) mean += outlook.weight * outlook.mean;
    Vector variance = Vector::Zero(views_.front().probes.rows());
    for (const Outlook& outlook : outlooks_) {
      variance += outlook.weight * (outlook.variance + (outlook.mean - mean).cwiseAbs2());
    }
    for (const Outlook& outlook : outlooks_) {
      const Vector own = outlook.variance + (outlook.mean - mean).cwiseAbs2();
      shape_.weight.push_back(outlook.weight);
      shape_.spread.push_back(std::sqrt(own.cwiseQuotient(variance).mean()));
    }
  }

  // The moments of a mixture of the fits of one graph semantics, in ms.
  LatencyTerm term(std::size_t h, const std::vector<std::pair<double, const Fit*>>& parts) {
    const Eigen::Index n = ms_.size();
    LatencyTerm term;
    term.semantics = h;
    term.weight = term.noise = term.scale = 0.0;
    std::vector<double> of_prior(kinds(), 0.0);  // share of each covariance, ms^2
    // The rows of `down` lessen the covariance, those of `up` add to it.
    Matrix down(n * index(parts.size()), index(columns_));
    Matrix up(index(parts.size()), index(columns_));
    Vector first;
    Vector costs = Vector::Zero(index(columns_));  // less those of the first part
    Eigen::Index at = 0;
    for (const auto& [share, fit] : parts) {
      const Outset& outset = outset_of(h, fit->covariance);
      const Matrix gain = fit->lower.triangularView<Eigen::Lower>().solve(outset.cross);
      const Vector mine = mean(fit->covariance) + gain.transpose() * fit->whitened;
      outlooks_.push_back(outlook(views_[h], outset.scale, share, *fit, mine, gain));
      if (at == 0) first = mine * outset.scale;
      const Vector offset = mine * outset.scale - first;
      costs += share * offset;
      of_prior[fit->covariance] += share * outset.scale * outset.scale;
      down.middleRows(at * n, n) = std::sqrt(share) * outset.scale * gain;
      up.row(at++) = std::sqrt(share) * offset.transpose();
      term.weight += share;
      term.scale += share * outset.scale;
      term.noise += share * prior_.noise[fit->noise] * prior_.noise[fit->noise];
    }
    costs /= term.weight;
    term.scale /= term.weight;
    term.noise = std::sqrt(term.noise / term.weight);
    Matrix second = up.transpose() * up - down.transpose() * down;
    for (std::size_t g = 0; g < kinds(); ++g) {
      if (of_prior[g] > 0.0) second += of_prior[g] * covariances_[g];
    }
    second /= term.weight;
    second.noalias() -= costs * costs.transpose();
    costs += first;
    term.mean.assign(costs.data(), costs.data() + costs.size());
    const Matrix symmetric = 0.5 * (second + second.transpose());
    term.covariance.assign(symmetric.data(), symmetric.data() + symmetric.size());
    term.spread = VarianceFactor::of(term.covariance, columns_);
    return term;
  }

  Outlook outlook(const FeatureView& view, double scale, double weight, const Fit& fit,
                  const Vector& costs, const Matrix& gain) const {
    const Vector mean = view.probes * costs;
    const Vector spread = prior_.noise[fit.noise] * mean.cwiseMax(prior_.floor);
    const Matrix& covariance = covariances_[fit.covariance];
    Vector variance = (view.probes * covariance).cwiseProduct(view.probes).rowwise().sum() -
                      (view.probes * gain.transpose()).rowwise().squaredNorm();
    variance = variance.cwiseMax(0.0) + spread.cwiseAbs2();
    variance *= scale * scale;
    variance.array() += rounding_ * rounding_;
    return {weight, mean * scale, variance};
  }

  // Of the mean device, in units of scale: keeps the ratio of a near-empty network tame.
  static constexpr double kLeastExpected = 0.05;

  const LatencyPriorData& prior_;
  std::vector<FeatureView> views_;  // one per graph semantics
  std::size_t columns_;
  Eigen::Map<const Vector> ms_;
  Vector misfit_;            // relative standard deviation of each timing beside the noise
  double rounding_;          // standard deviation, ms, of what the clock rounds away
  std::vector<Matrix> covariances_;  // (P, P) each
  std::vector<Outset> outsets_;      // one per graph semantics and covariance
  std::vector<Fit> fits_;
  std::vector<Outlook> outlooks_;  // one per fit that is kept
  LatencyBelief belief_;
  ErrorShape shape_;
};

}  // namespace

LatencyUpdate update_prior(const LatencyPriorData& prior, std::vector<FeatureView> views,
                           const double* ms, const double* misfit) {
  return Updater(prior, std::move(views), ms, misfit).take();
}

}  // namespace edgewise
