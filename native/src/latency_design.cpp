// Which architectures to time: I-optimal design under a belief, greedy and then by exchange.
#include <Eigen/Cholesky>
#include <algorithm>
#include <cstddef>
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

// A set of candidates that grows, and in which each may be exchanged for a better one.
class Design {
 public:
  // `at` are the candidates, `to` what shall be predicted; noise is relative.
  Design(const LatencyBelief& belief, const Expected& at, const Expected& to, double noise)
      : belief_(belief),
        at_(at),
        noises_(noise * at.size().cwiseAbs2()),
        cross_(at.with(belief, to)),
        own_(at.variances(belief)) {}

  // Adds what then settles most, up to `count` in all.
  void grow(std::size_t count) {
    while (chosen_.size() < count) chosen_.push_back(pick(best(gains(chosen_))));
  }

  // Exchanges members from position `first` on for what settles more beside all others, until none
  // can be bettered: what is chosen one by one is seldom the best together (Fedorov's exchange).
  void exchange(std::size_t first) {
    bool better = true;
    for (int sweep = 0; better && sweep < kMostSweeps; ++sweep) {
      better = false;
      for (std::size_t k = first; k < chosen_.size(); ++k) better |= exchange_one(k);
    }
  }

  // Orders the members from position `first` on, what settles most first.
  void order(std::size_t first) {
    std::vector<Member> members(chosen_.begin() + offset(first), chosen_.end());
    chosen_.resize(first);
    while (!members.empty()) {
      const Vector gain = gains(chosen_);
      const auto most = std::max_element(
          members.begin(), members.end(),
          [&gain](const Member& a, const Member& b) { return gain[a.index] < gain[b.index]; });
      chosen_.push_back(std::move(*most));
      members.erase(most);
    }
  }

  std::vector<std::size_t> take() const {
    std::vector<std::size_t> indices;
    for (const Member& member : chosen_) indices.push_back(static_cast<std::size_t>(member.index));
    return indices;
  }

 private:
  struct Member {
    Eigen::Index index;
    Vector covariance;  // with all candidates, before any timing
  };

  static constexpr int kMostSweeps = 20;
  static constexpr double kBetter = 1.0 + 1e-9;  // less is rounding

  static std::ptrdiff_t offset(std::size_t k) { return static_cast<std::ptrdiff_t>(k); }

  Member pick(Eigen::Index index) const { return {index, at_.with(belief_, index)}; }

  static Eigen::Index best(const Vector& gain) {
    Eigen::Index index = 0;
    gain.maxCoeff(&index);
    return index;
  }

  bool exchange_one(std::size_t k) {
    std::vector<Member> others = chosen_;
    others.erase(others.begin() + offset(k));
    const Vector gain = gains(others);
    const Eigen::Index index = best(gain);
    if (gain[index] <= gain[chosen_[k].index] * kBetter) return false;
    chosen_[k] = pick(index);
    return true;
  }

  // By how much one timing of each candidate would lessen the variances of what is predicted, once
  // `timed` are known, whatever they turn out to be. Negative for these themselves.
  Vector gains(const std::vector<Member>& timed) const {
    if (timed.empty()) return cross_.rowwise().squaredNorm().cwiseQuotient(own_ + noises_);
    const auto n = static_cast<Eigen::Index>(timed.size());
    Matrix with_all(own_.size(), n);
    Matrix with_targets(n, cross_.cols());
    Matrix among(n, n);
    for (Eigen::Index k = 0; k < n; ++k) {
      with_all.col(k) = timed[static_cast<std::size_t>(k)].covariance;
      with_targets.row(k) = cross_.row(timed[static_cast<std::size_t>(k)].index);
    }
    for (Eigen::Index k = 0; k < n; ++k) {
      among.row(k) = with_all.row(timed[static_cast<std::size_t>(k)].index);
      among(k, k) += noises_[timed[static_cast<std::size_t>(k)].index];
    }
    const Eigen::LLT<Matrix> known(among);
    const Matrix shares = known.matrixL().solve(with_all.transpose());  // (n, candidates)
    const Matrix settled = known.matrixL().solve(with_targets);
    Matrix cross = cross_;
    cross.noalias() -= shares.transpose() * settled;
    const Vector own =
        (own_ - shares.colwise().squaredNorm().transpose()).cwiseMax(0.0) + noises_;
    Vector gain = cross.rowwise().squaredNorm().cwiseQuotient(own);
    for (const Member& member : timed) gain[member.index] = -1.0;
    return gain;
  }

  const LatencyBelief& belief_;
  const Expected& at_;
  Vector noises_;
  Matrix cross_;  // (candidates, targets) covariances before any timing
  Vector own_;
  std::vector<Member> chosen_;
};

// Sets of these sizes are good as they are, not only as the start of a larger one.
constexpr std::size_t kUsualCounts[] = {5, 10};

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
  Design design(belief, at, to, noise);
  std::size_t settled = 0;
  const auto settle = [&](std::size_t size) {
    design.grow(size);
    design.exchange(settled);
    design.order(settled);
    settled = size;
  };
  for (const std::size_t size : kUsualCounts) {
    if (size < count) settle(size);
  }
  settle(count);
  std::vector<std::size_t> chosen = design.take();
  for (std::size_t& index : chosen) index = kept[index];
  return chosen;
}

}  // namespace edgewise
