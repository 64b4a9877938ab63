#include "edgewise/prototypes.hpp"

#include <Eigen/Core>
#include <algorithm>
#include <cmath>
#include <mutex>
#include <utility>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

using Floats = Eigen::Map<const Eigen::VectorXf>;

Floats vector(const float* values, std::size_t n) { return {values, static_cast<Eigen::Index>(n)}; }

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorKind::kArgument, message); }

// 1 / length, or 0 of a vector without a direction.
double inverse_norm(const float* values, std::size_t n) {
  const double norm = vector(values, n).cast<double>().norm();
  return norm > 0.0 ? 1.0 / norm : 0.0;
}

void expect_state(const ClassState& state, std::size_t dim) {
  const std::string name = "class '" + printable(state.label) + "'";
  if (state.examples < 1) fail(name + " has no examples");
  if (state.sum.size() != dim) {
    fail(name + " has a sum of " + std::to_string(state.sum.size()) + " values, not " +
         std::to_string(dim));
  }
  for (const double value : state.sum) {
    if (!std::isfinite(value)) fail(name + " has a sum that is not finite");
  }
}

}  // namespace

Judgement judge(const double* scores, std::size_t count, const Calibration& calibration,
                double level, double* probabilities) {
  if (count == 0) fail("there is no class to choose from");
  if (!(calibration.temperature > 0.0) || !std::isfinite(calibration.temperature)) {
    fail("the temperature must be a finite number above 0");
  }
  if (std::isnan(calibration.threshold)) fail("the threshold of the unknown is not a number");
  Judgement judgement;
  for (std::size_t i = 0; i < count; ++i) {
    if (!std::isfinite(scores[i])) fail("score " + std::to_string(i) + " is not finite");
    if (scores[i] > scores[judgement.best]) judgement.best = i;
  }
  const double best = scores[judgement.best];
  double total = 0.0;
  for (std::size_t i = 0; i < count; ++i) {
    const double term = std::exp(calibration.temperature * (scores[i] - best));
    if (probabilities != nullptr) probabilities[i] = term;
    total += term;
  }
  for (std::size_t i = 0; probabilities != nullptr && i < count; ++i) probabilities[i] /= total;
  judgement.probability = 1.0 / total;
  judgement.unknown = best - level < calibration.threshold;
  return judgement;
}

Prototypes::Prototypes(std::size_t dim, Metric metric) : dim_(dim), metric_(metric) {
  if (dim == 0) fail("embeddings must have at least one value");
}

Prototypes::Prototypes(std::size_t dim, Metric metric, std::vector<ClassState> state)
    : Prototypes(dim, metric) {
  for (ClassState& each : state) {
    expect_state(each, dim);
    if (by_label_.count(each.label) != 0) {
      fail("class '" + printable(each.label) + "' occurs twice");
    }
    Class& entry = insert(each.label);
    entry.state = std::move(each);
    update_prototype(entry);
  }
}

void Prototypes::add(const std::string& label, const float* embeddings, std::size_t n) {
  if (n == 0) fail("class '" + printable(label) + "' is given no examples");
  expect_usable(embeddings, n);
  const std::unique_lock<std::shared_mutex> lock(mutex_);
  const auto found = by_label_.find(label);
  Class& entry = found == by_label_.end() ? insert(label) : *found->second;
  for (std::size_t i = 0; i < n; ++i) {
    const float* const embedding = embeddings + i * dim_;
    const double scale = metric_ == Metric::kCosine ? inverse_norm(embedding, dim_) : 1.0;
    for (std::size_t k = 0; k < dim_; ++k) {
      entry.state.sum[k] += scale * static_cast<double>(embedding[k]);
    }
  }
  entry.state.examples += static_cast<std::int64_t>(n);
  update_prototype(entry);
}

bool Prototypes::remove(const std::string& label) {
  const std::unique_lock<std::shared_mutex> lock(mutex_);
  const auto found = by_label_.find(label);
  if (found == by_label_.end()) return false;
  const Class* const gone = found->second;
  by_label_.erase(found);
  classes_.erase(std::find_if(classes_.begin(), classes_.end(),
                              [&](const auto& entry) { return entry.get() == gone; }));
  return true;
}

std::vector<std::string> Prototypes::labels() const {
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  std::vector<std::string> labels;
  for (const auto& entry : classes_) labels.push_back(entry->state.label);
  return labels;
}

std::vector<ClassState> Prototypes::snapshot() const {
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  std::vector<ClassState> state;
  for (const auto& entry : classes_) state.push_back(entry->state);
  return state;
}

Scores Prototypes::score(const float* embeddings, std::size_t n) const {
  expect_usable(embeddings, n);
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  Scores scores;
  scores.labels.reserve(classes_.size());
  for (const auto& entry : classes_) scores.labels.push_back(entry->state.label);
  scores.values.reserve(n * classes_.size());
  for (std::size_t i = 0; i < n; ++i) score_all(embeddings + i * dim_, scores.values);
  return scores;
}

double Prototypes::level(const float* embedding, const Calibration& calibration,
                         NearestBuffers& buffers) const {
  if (calibration.background == nullptr) return 0.0;
  if (metric_ != Metric::kCosine || calibration.background->dim() != dim_) {
    fail("the background is of " + std::to_string(calibration.background->dim()) +
         " numbers and for cosines, the classes are not");
  }
  return calibration.background->level(embedding, buffers);
}

bool Prototypes::classify(const float* embedding, const Calibration& calibration,
                          Answer& answer) const {
  expect_usable(embedding, 1);
  const double background = level(embedding, calibration, answer.buffers);
  const std::shared_lock<std::shared_mutex> lock(mutex_);
  if (classes_.empty()) return false;
  answer.scores.clear();
  score_all(embedding, answer.scores);
  answer.judgement = judge(answer.scores.data(), answer.scores.size(), calibration, background);
  answer.score = answer.scores[answer.judgement.best];
  answer.label = classes_[answer.judgement.best]->state.label;
  return true;
}

void Prototypes::expect_usable(const float* embeddings, std::size_t n) const {
  for (std::size_t i = 0; i < n; ++i) {
    const auto values = vector(embeddings + i * dim_, dim_);
    if (!values.allFinite()) fail("embedding " + std::to_string(i) + " is not finite");
    if (metric_ == Metric::kCosine && values.isZero(0.0f)) {
      fail("embedding " + std::to_string(i) + " is zero, so it has no direction");
    }
  }
}

void Prototypes::update_prototype(Class& entry) const {
  double scale = 1.0 / static_cast<double>(entry.state.examples);
  if (metric_ == Metric::kCosine) {
    double square = 0.0;
    for (const double value : entry.state.sum) square += value * value;
    // Examples that cancel out leave no direction: the class is then equally far from everything.
    scale = square > 0.0 ? 1.0 / std::sqrt(square) : 0.0;
  }
  entry.prototype.resize(dim_);
  for (std::size_t k = 0; k < dim_; ++k) {
    entry.prototype[k] = static_cast<float>(scale * entry.state.sum[k]);
  }
}

double Prototypes::score_one(const float* embedding, double scale,
                             const Class& entry) const noexcept {
  const auto query = vector(embedding, dim_);
  const auto prototype = vector(entry.prototype.data(), dim_);
  if (metric_ == Metric::kEuclidean) {
    return -static_cast<double>((query - prototype).squaredNorm());
  }
  return std::clamp(static_cast<double>(query.dot(prototype)) * scale, -1.0, 1.0);
}

void Prototypes::score_all(const float* embedding, std::vector<double>& values) const {
  const double scale = metric_ == Metric::kCosine ? inverse_norm(embedding, dim_) : 1.0;
  for (const auto& entry : classes_) values.push_back(score_one(embedding, scale, *entry));
}

Prototypes::Class& Prototypes::insert(const std::string& label) {
  auto entry = std::make_unique<Class>();
  entry->state.label = label;
  entry->state.sum.resize(dim_);
  Class& inserted = *entry;
  classes_.push_back(std::move(entry));
  by_label_.emplace(label, &inserted);
  return inserted;
}

}  // namespace edgewise
