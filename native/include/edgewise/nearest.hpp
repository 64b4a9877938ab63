// The rows of an index that point most nearly where a query points: brute force over int8, which
// reads a quarter of what single precision would, and memory is what such a search waits for.
//
//   std::vector<Neighbour> found = nearest({rows, scales, 1'000'000, 128}, query, 10);
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgewise {

inline constexpr std::size_t kMaxIndexDim = 1 << 16;  // so that sums of products fit 32 bits

// Unit vectors, each as 8-bit numbers and what they are multiplied by. Nothing is owned.
struct IndexView {
  const std::int8_t* rows = nullptr;  // (count, dim), row-major
  const float* scales = nullptr;      // (count): row i is rows[i] * scales[i]
  std::size_t count = 0;
  std::size_t dim = 0;
};

struct Neighbour {
  std::size_t row = 0;
  float cosine = 0.0f;
};

// What a search works with. Kept from one to the next, so that searching allocates nothing once it has
// grown to the dimension and to k.
struct NearestBuffers {
  std::vector<std::int16_t> query;  // rounded
  std::vector<Neighbour> found;     // the answer
};

// The `k` rows of the largest cosine with `query` (dim), best first; of equal ones that of the lower
// number first. Fewer where fewer may be taken: with `mask` (count), only rows where it is not 0.
// The query may have any length; it is rounded to 8 bits too: q = round(127 * query / largest), and
//   cosine = (q . row) * scale * largest / (127 * |query|)   in single precision, the sum exact.
// Error(kArgument) when k or dim is 0, dim is above kMaxIndexDim, the query is zero or not finite,
// or the scale of a row that may be taken is not.
// Thread-safety: none needed, it only reads.
std::vector<Neighbour> nearest(const IndexView& index, const float* query, std::size_t k,
                               const std::uint8_t* mask = nullptr);

// The same; the answer is in buffers.found.
void nearest(const IndexView& index, const float* query, std::size_t k, const std::uint8_t* mask,
             NearestBuffers& buffers);

}  // namespace edgewise
