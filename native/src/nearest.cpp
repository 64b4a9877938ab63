#include "edgewise/nearest.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

constexpr float kLevels = 127.0f;

[[noreturn]] void fail(const std::string& message) { throw Error(ErrorKind::kArgument, message); }

// Rounds a query, to 16-bit numbers, so that compilers multiply and add pairs in one instruction, on
// x86 and on ARM. A cosine is the sum of products * row's scale * what this returns.
float quantise(const float* query, std::size_t dim, std::vector<std::int16_t>& values) {
  double square = 0.0;
  float largest = 0.0f;
  for (std::size_t i = 0; i < dim; ++i) {
    if (!std::isfinite(query[i])) fail("query value " + std::to_string(i) + " is not finite");
    square += static_cast<double>(query[i]) * static_cast<double>(query[i]);
    largest = std::max(largest, std::abs(query[i]));
  }
  if (!(largest > 0.0f)) fail("the query is zero, so it has no direction");
  values.clear();
  values.reserve(dim);
  for (std::size_t i = 0; i < dim; ++i) {
    // Halves to even, as the host rounds.
    values.push_back(static_cast<std::int16_t>(std::nearbyint(query[i] / largest * kLevels)));
  }
  return static_cast<float>(largest / (static_cast<double>(kLevels) * std::sqrt(square)));
}

std::int32_t product(const std::int8_t* row, const std::int16_t* query, std::size_t dim) {
  std::int32_t sum = 0;
  for (std::size_t i = 0; i < dim; ++i) {
    sum += static_cast<std::int32_t>(query[i]) * static_cast<std::int32_t>(row[i]);
  }
  return sum;
}

bool better(const Neighbour& a, const Neighbour& b) {
  return a.cosine != b.cosine ? a.cosine > b.cosine : a.row < b.row;
}

}  // namespace

std::vector<Neighbour> nearest(const IndexView& index, const float* query, std::size_t k,
                               const std::uint8_t* mask) {
  NearestBuffers buffers;
  nearest(index, query, k, mask, buffers);
  return std::move(buffers.found);
}

void nearest(const IndexView& index, const float* query, std::size_t k, const std::uint8_t* mask,
             NearestBuffers& buffers) {
  if (k == 0) fail("k must be at least 1");
  if (index.dim == 0 || index.dim > kMaxIndexDim) {
    fail("an index has 1 to " + std::to_string(kMaxIndexDim) + " dimensions, not " +
         std::to_string(index.dim));
  }
  const float query_scale = quantise(query, index.dim, buffers.query);
  // A heap whose front is the worst of the best so far.
  std::vector<Neighbour>& best = buffers.found;
  best.clear();
  best.reserve(std::min(k, index.count));
  for (std::size_t i = 0; i < index.count; ++i) {
    if (mask != nullptr && mask[i] == 0) continue;
    const float scale = index.scales[i];
    if (!std::isfinite(scale)) fail("the scale of row " + std::to_string(i) + " is not finite");
    const std::int32_t sum =
        product(index.rows + i * index.dim, buffers.query.data(), index.dim);
    const Neighbour found = {i, static_cast<float>(sum) * scale * query_scale};
    if (best.size() < k) {
      best.push_back(found);
      std::push_heap(best.begin(), best.end(), better);
    } else if (found.cosine > best.front().cosine) {  // of equals the earlier row stays
      std::pop_heap(best.begin(), best.end(), better);
      best.back() = found;
      std::push_heap(best.begin(), best.end(), better);
    }
  }
  std::sort_heap(best.begin(), best.end(), better);
}

}  // namespace edgewise
