#include "latency_math.hpp"

namespace edgewise {

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
