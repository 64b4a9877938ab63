// Pictures to the size that a network takes. The same function on host and device, and the same
// bytes on every machine: all of it is integer arithmetic.
#pragma once

#include <cstddef>
#include <cstdint>

namespace edgewise {

inline constexpr std::size_t kMaxImageSide = 1 << 16;  // pixels

// Resizes one picture, row-major (height, width, channels), to (out_height, out_width, channels);
// the proportions of its sides may change. `out` must not overlap `in`.
//
// Bilinear when it grows; when it shrinks the triangle is as many times wider, so that every pixel
// counts and nothing flickers (as Pillow's BILINEAR and torch's `antialias=True` do). Pixel j has
// its centre at j + 1/2; what lies beyond the edge is left out. Weights are exact fractions of
// 2^22 that sum to 1, and a result is rounded once to 1/256 between the two passes and once at the
// end.
//
// Error(kArgument) when a side is 0 or above kMaxImageSide, or `channels` is not 1 to 4.
void resize(const std::uint8_t* in, std::size_t height, std::size_t width, std::size_t channels,
            std::uint8_t* out, std::size_t out_height, std::size_t out_width);

}  // namespace edgewise
