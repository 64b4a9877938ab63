// Small numeric helpers of the latency predictor.
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "edgewise/features.hpp"
#include "edgewise/latency.hpp"

namespace edgewise {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Vector = Eigen::VectorXd;

// Features of n architectures as a dense (n, columns) matrix.
Matrix dense_features(const Features& features, std::size_t code_length, const std::uint8_t* codes,
                      std::size_t n);

inline double dot(const FeatureRow& row, const double* weights) noexcept {
  double sum = 0.0;
  for (int i = 0; i < row.size; ++i) sum += row.value[i] * weights[row.column[i]];
  return sum;
}

// Covariance `g` of a prior, (P, P).
Matrix prior_covariance(const LatencyPriorData& prior, std::size_t g);

inline Eigen::Index index(std::size_t n) { return static_cast<Eigen::Index>(n); }

inline Eigen::Map<const Matrix> matrix(const std::vector<double>& values, std::size_t rows,
                                       std::size_t columns) {
  return {values.data(), index(rows), index(columns)};
}

inline Eigen::Map<const Vector> column(const double* values, std::size_t n) {
  return {values, index(n)};
}

}  // namespace edgewise
