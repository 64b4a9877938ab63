#include <algorithm>
#include <cmath>

#include "edgewise/latency.hpp"

namespace edgewise {

double ErrorShape::quantile(double confidence) const {
  const auto outside = [&](double q) {
    double probability = 0.0;
    for (std::size_t k = 0; k < weight.size(); ++k) {
      probability += weight[k] * std::erfc(q / (spread[k] * std::sqrt(2.0)));
    }
    return probability;
  };
  // Bisection: the widest part alone bounds the quantile, and nine of its deviations everything.
  constexpr double kFarthest = 9.0;
  constexpr int kHalvings = 50;
  double low = 0.0;
  double high = kFarthest * *std::max_element(spread.begin(), spread.end());
  for (int step = 0; step < kHalvings; ++step) {
    const double middle = 0.5 * (low + high);
    (outside(middle) > 1.0 - confidence ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace edgewise
