// Which architectures to time: greedy I-optimal design under a belief.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "edgewise/error.hpp"
#include "edgewise/latency.hpp"
#include "edgewise/space.hpp"
#include "latency_math.hpp"

namespace edgewise {

namespace {

constexpr std::size_t kMostCandidates = 4096;
constexpr std::size_t kMostTargets = 1024;

// At most `most` of `indices`, evenly spread.
std::vector<std::size_t> thinned(const std::vector<std::size_t>& indices, std::size_t most) {
  const std::size_t count = std::min(indices.size(), most);
  std::vector<std::size_t> kept(count);
  for (std::size_t i = 0; i < count; ++i) kept[i] = indices[i * indices.size() / count];
  return kept;
}

std::vector<std::size_t> connected(const Space& space, const std::uint8_t* codes, std::size_t n) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < n; ++i) {
    if (space.connected(codes + i * space.code_length())) indices.push_back(i);
  }
  return indices;
}

std::vector<std::uint8_t> gather(const std::uint8_t* codes, std::size_t length,
                                 const std::vector<std::size_t>& rows) {
  std::vector<std::uint8_t> out;
  out.reserve(rows.size() * length);
  for (const std::size_t i : rows) {
    out.insert(out.end(), codes + i * length, codes + (i + 1) * length);
  }
  return out;
}

// A set of architectures under each term of a belief.
class Expected {
 public:
  Expected(const LatencyBelief& belief, double floor, std::size_t length,
           const std::vector<std::uint8_t>& codes) {
    const std::size_t n = codes.size() / length;
    mixed_ = Vector::Zero(static_cast<Eigen::Index>(n));
    for (const LatencyTerm& term : belief) {
      features_.push_back(dense_features(*term.features, length, codes.data(), n));
      const Eigen::Map<const Vector> mean(term.mean.data(),
                                          static_cast<Eigen::Index>(term.mean.size()));
      means_.push_back(features_.back() * mean);
      mixed_ += term.weight * means_.back();
      least_ += term.weight * term.scale * floor;
    }
    // What tells the terms apart counts as variance, so that the chosen architectures do.
    for (Vector& mean : means_) mean -= mixed_;
  }

  // What noise is relative to.
  Vector size() const { return mixed_.cwiseMax(least_); }

  // In shares of the expected latency.
  void make_relative() {
    const Vector unit = size().cwiseInverse();
    for (std::size_t h = 0; h < features_.size(); ++h) {
      features_[h] = unit.asDiagonal() * features_[h];
      means_[h] = unit.cwiseProduct(means_[h]);
    }
    mixed_ = unit.cwiseProduct(mixed_);
    least_ = 1.0;
  }

  // Less what they have in common.
  void centre() {
    for (std::size_t h = 0; h < features_.size(); ++h) {
      features_[h].rowwise() -= features_[h].colwise().mean().eval();
      means_[h].array() -= means_[h].mean();
    }
  }

  // Covariances of all of these with all of `other`: (n, other n).
  Matrix with(const LatencyBelief& belief, const Expected& other) const {
    return sum<Matrix>(belief, [&](std::size_t h, const Square& covariance) -> Matrix {
      return features_[h] * covariance * other.features_[h].transpose() +
             means_[h] * other.means_[h].transpose();
    });
  }

  // Covariances of all of these with number `i` of them.
  Vector with(const LatencyBelief& belief, Eigen::Index i) const {
    return sum<Vector>(belief, [&](std::size_t h, const Square& covariance) -> Vector {
      return features_[h] * (covariance * features_[h].row(i).transpose()) +
             means_[h] * means_[h][i];
    });
  }

  Vector variances(const LatencyBelief& belief) const {
    return sum<Vector>(belief, [&](std::size_t h, const Square& covariance) -> Vector {
      return (features_[h] * covariance).cwiseProduct(features_[h]).rowwise().sum() +
             means_[h].cwiseAbs2();
    });
  }

 private:
  using Square = Eigen::Map<const Matrix>;

  // Sums `part` over the terms by their weights.
  template <typename Result, typename Part>
  static Result sum(const LatencyBelief& belief, Part part) {
    Result total;
    for (std::size_t h = 0; h < belief.size(); ++h) {
      const auto columns = static_cast<Eigen::Index>(belief[h].mean.size());
      const Result value =
          belief[h].weight * part(h, Square(belief[h].covariance.data(), columns, columns));
      if (h == 0) {
        total = value;
      } else {
        total += value;
      }
    }
    return total;
  }

  std::vector<Matrix> features_;  // one a term
  std::vector<Vector> means_;     // one a term: distance from the mixture's mean
  Vector mixed_;
  double least_ = 0.0;
};

}  // namespace

std::vector<std::size_t> choose_references(const LatencyBelief& belief, double floor,
                                           const Space& space, const std::uint8_t* candidates,
                                           std::size_t n, std::size_t count) {
  const std::vector<std::size_t> usable = connected(space, candidates, n);
  if (count > usable.size()) {
    throw Error(ErrorKind::kArgument,
                "cannot choose " + std::to_string(count) + " references from " +
                    std::to_string(usable.size()) +
                    " candidates (those that compute a constant do not count)");
  }
  double noise = 0.0;
  for (const LatencyTerm& term : belief) noise += term.weight * term.noise * term.noise;

  const std::vector<std::size_t> kept = thinned(usable, std::max(kMostCandidates, count));
  const std::size_t length = space.code_length();
  Expected at(belief, floor, length, gather(candidates, length, kept));
  Expected to(belief, floor, length, gather(candidates, length, thinned(usable, kMostTargets)));
  // Where operations can drop out, networks may take next to nothing, and a millisecond matters
  // more in those. Elsewhere what matters is by how much networks differ: that ranks them.
  if (space.semantics().size() > 1) {
    at.make_relative();
    to.make_relative();
  } else {
    to.centre();
  }
  const Vector noises = noise * at.size().cwiseAbs2();
  Matrix cross = at.with(belief, to);
  Vector own = at.variances(belief);

  std::vector<std::size_t> chosen;
  std::vector<bool> taken(kept.size(), false);
  std::vector<Vector> columns;  // covariance with each chosen one when it was chosen
  std::vector<Vector> shares;   // the same over its variance and noise
  while (chosen.size() < count) {
    Vector gain = cross.rowwise().squaredNorm().cwiseQuotient(own + noises);
    for (std::size_t i = 0; i < taken.size(); ++i) {
      if (taken[i]) gain[static_cast<Eigen::Index>(i)] = -1.0;
    }
    Eigen::Index best = 0;
    gain.maxCoeff(&best);
    taken[static_cast<std::size_t>(best)] = true;
    chosen.push_back(kept[static_cast<std::size_t>(best)]);
    if (chosen.size() == count) break;
    // What one timing of `best` will settle, whatever it turns out to be.
    Vector column = at.with(belief, best);
    for (std::size_t k = 0; k < columns.size(); ++k) column -= shares[k][best] * columns[k];
    shares.push_back(column / (own[best] + noises[best]));
    columns.push_back(std::move(column));
    const Eigen::RowVectorXd settled = cross.row(best);
    cross.noalias() -= shares.back() * settled;
    own = (own - shares.back().cwiseProduct(columns.back())).cwiseMax(0.0);
  }
  return chosen;
}

}  // namespace edgewise
