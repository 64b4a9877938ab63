#include "latency_math.hpp"

#include <algorithm>
#include <array>
#include <cmath>

namespace edgewise {

Matrix dense_features(const Features& features, std::size_t code_length, const std::uint8_t* codes,
                      std::size_t n) {
  Matrix dense = Matrix::Zero(index(n), index(features.columns()));
  FeatureRow row;
  for (std::size_t i = 0; i < n; ++i) {
    features.row(codes + i * code_length, row);
    for (int k = 0; k < row.size; ++k) dense(index(i), row.column[k]) += row.value[k];
  }
  return dense;
}

Matrix prior_covariance(const LatencyPriorData& prior, std::size_t g) {
  const std::size_t columns = prior.mean.size() / prior.covariance_log_weight.size();
  const std::size_t factors = prior.factors.size() / columns;
  const auto shared = matrix(prior.factors, columns, factors);
  Matrix covariance = shared * column(&prior.factor_variance[g * factors], factors).asDiagonal() *
                      shared.transpose();
  covariance.diagonal() += column(&prior.own_variance[g * columns], columns);
  return covariance;
}

// Cholesky decomposition with the largest remaining variance as the next pivot, stopped early.
VarianceFactor VarianceFactor::of(const std::vector<double>& covariance, std::size_t columns) {
  constexpr double kNothing = 1e-14;  // of the largest variance: rounding errors
  const auto whole = matrix(covariance, columns, columns);
  Matrix factor = Matrix::Zero(index(columns), index(kRank));
  Vector rest = whole.diagonal().cwiseMax(0.0);
  const double least = kNothing * rest.maxCoeff();
  for (Eigen::Index k = 0; k < index(std::min(kRank, columns)); ++k) {
    Eigen::Index pivot = 0;
    const double most = rest.maxCoeff(&pivot);
    if (!(most > least)) break;
    Vector next = whole.col(pivot) - factor.leftCols(k) * factor.row(pivot).head(k).transpose();
    next /= std::sqrt(most);
    rest = (rest - next.cwiseAbs2()).cwiseMax(0.0);
    factor.col(k) = next;
  }
  VarianceFactor result;
  result.factor.resize(columns * kRank);
  std::copy(factor.data(), factor.data() + factor.size(), result.factor.begin());
  result.rest.assign(rest.data(), rest.data() + rest.size());
  return result;
}

double VarianceFactor::variance(const FeatureRow& row) const noexcept {
  std::array<float, kRank> sum{};
  float own = 0.0f;
  for (int i = 0; i < row.size; ++i) {
    const float value = static_cast<float>(row.value[i]);
    const float* line = factor.data() + row.column[i] * kRank;
    for (std::size_t k = 0; k < kRank; ++k) sum[k] += value * line[k];
    own += value * value * rest[row.column[i]];
  }
  for (std::size_t k = 0; k < kRank; ++k) own += sum[k] * sum[k];
  return static_cast<double>(own);
}

}  // namespace edgewise
