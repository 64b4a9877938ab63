// What every picture is somewhat like: the classes that an embedder learnt from. A picture that is
// of no known class can be near one of them by being near much, so cosines with this background are
// taken off its best score. As scores of speakers are set against those of a cohort: test
// normalisation of Auckenthaler, Carey and Lloyd-Thomas, "Score normalization for text-independent
// speaker verification systems" (Digital Signal Processing 10, 2000, doi 10.1006/dspr.1999.0360),
// here by the mean of the nearest of the cohort, a share of it, and without dividing by its spread.
//
//   const Background background(rows, scales, 256, 0.7, 10);
//   NearestBuffers buffers;
//   double level = background.level(embedding, buffers);  // the best cosine less this is judged
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "edgewise/nearest.hpp"

namespace edgewise {

// Thread-safety: none needed, nothing changes.
class Background {
 public:
  // Directions as rows of an index: `rows` (N, dim), row-major, times `scales` (N), of unit length.
  // Error(kArgument) when there are none, the sizes do not fit, dim is 0 or above kMaxIndexDim, a row
  // is not of unit length or not finite, share is not from 0 to below 1, or nearest is not 1 to N.
  Background(std::vector<std::int8_t> rows, std::vector<float> scales, std::size_t dim,
             double share, std::size_t nearest);

  std::size_t dim() const noexcept { return dim_; }

  // `share` times the mean of the `nearest` largest cosines of an embedding (dim) with the
  // directions, as `edgewise::nearest` computes them. Error(kArgument) for an embedding that is zero
  // or not finite.
  double level(const float* embedding, NearestBuffers& buffers) const;

 private:
  IndexView view() const noexcept { return {rows_.data(), scales_.data(), scales_.size(), dim_}; }

  std::vector<std::int8_t> rows_;
  std::vector<float> scales_;
  std::size_t dim_;
  double share_;
  std::size_t nearest_;
};

}  // namespace edgewise
