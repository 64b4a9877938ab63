#include "latency_math.hpp"

#include <cmath>

namespace edgewise {

double two_sided_quantile(double confidence) {
  if (confidence == 0.9) return 1.6448536269514722;  // the default, without the search below
  // Newton's method on erfc from a point left of the root, where it is convex: no overshoot.
  const double outside = 1.0 - confidence;
  double z = 0.0;
  for (int step = 0; step < 64; ++step) {
    const double error = std::erfc(z * std::sqrt(0.5)) - outside;
    const double slope = std::sqrt(2.0 / 3.14159265358979323846) * std::exp(-0.5 * z * z);
    const double change = error / slope;
    z += change;
    if (std::abs(change) < 1e-13 * (1.0 + z)) break;
  }
  return z;
}

Matrix dense_features(const Features& features, std::size_t code_length, const std::uint8_t* codes,
                      std::size_t n) {
  Matrix dense = Matrix::Zero(static_cast<Eigen::Index>(n),
                              static_cast<Eigen::Index>(features.columns()));
  FeatureRow row;
  for (std::size_t i = 0; i < n; ++i) {
    features.row(codes + i * code_length, row);
    for (int k = 0; k < row.size; ++k) {
      dense(static_cast<Eigen::Index>(i), row.column[k]) += row.value[k];
    }
  }
  return dense;
}

}  // namespace edgewise
