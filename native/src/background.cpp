#include "edgewise/background.hpp"

#include <cmath>
#include <string>
#include <utility>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

// How far from 1 the length of a direction of 8-bit numbers may be.
constexpr double kRounding = 0.1;

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorKind::kArgument, message); }

void expect_direction(const IndexView& directions, std::size_t row) {
  double square = 0.0;
  for (std::size_t k = 0; k < directions.dim; ++k) {
    const double value = directions.rows[row * directions.dim + k];
    square += value * value;
  }
  const double length = std::sqrt(square) * static_cast<double>(directions.scales[row]);
  if (std::abs(length - 1.0) <= kRounding) return;  // false for NaN
  fail("direction " + std::to_string(row) + " of the background is not of unit length");
}

}  // namespace

Background::Background(std::vector<std::int8_t> rows, std::vector<float> scales, std::size_t dim,
                       double share, std::size_t nearest)
    : rows_(std::move(rows)),
      scales_(std::move(scales)),
      dim_(dim),
      share_(share),
      nearest_(nearest) {
  const std::size_t count = scales_.size();
  if (dim == 0 || dim > kMaxIndexDim || rows_.size() / dim != count || rows_.size() % dim != 0) {
    fail("a background is one scale and 1 to " + std::to_string(kMaxIndexDim) +
         " numbers for each direction");
  }
  if (!(share >= 0.0 && share < 1.0)) fail("the share of the background is not from 0 to below 1");
  if (nearest == 0 || nearest > count) {
    fail("a background of " + std::to_string(count) + " directions has no " +
         std::to_string(nearest) + " nearest");
  }
  for (std::size_t i = 0; i < count; ++i) expect_direction(view(), i);
}

double Background::level(const float* embedding, NearestBuffers& buffers) const {
  nearest(view(), embedding, nearest_, nullptr, buffers);
  double sum = 0.0;
  for (const Neighbour& each : buffers.found) sum += static_cast<double>(each.cosine);
  return share_ * sum / static_cast<double>(nearest_);
}

}  // namespace edgewise
