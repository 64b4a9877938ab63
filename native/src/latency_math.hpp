// Small numeric helpers of the latency predictor.
#pragma once

#include <Eigen/Dense>
#include <cstddef>
#include <cstdint>

#include "edgewise/features.hpp"

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

// row' C row, with C symmetric, (columns, columns), row-major.
inline double quadratic(const FeatureRow& row, const double* covariance,
                        std::size_t columns) noexcept {
  double sum = 0.0;
  for (int i = 0; i < row.size; ++i) {
    const double* line = covariance + row.column[i] * columns;
    double half = 0.5 * row.value[i] * line[row.column[i]];
    for (int j = 0; j < i; ++j) half += row.value[j] * line[row.column[j]];
    sum += row.value[i] * half;
  }
  return 2.0 * sum;
}

}  // namespace edgewise
