#include "edgewise/image.hpp"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

constexpr int kWeightBits = 22;  // 255 << 22 still fits 32 bits
constexpr int kBetweenBits = 8;  // of a fraction, between the passes: 255 << 8 fits 16 bits

// For each result along one side: the first source pixel it reads, and the weight of each.
struct Taps {
  std::vector<std::size_t> first;
  std::vector<std::size_t> begin;  // into `weight`; one more entry than results
  std::vector<std::uint32_t> weight;

  std::size_t count(std::size_t result) const { return begin[result + 1] - begin[result]; }
};

// The triangle of one result at each source pixel it reaches, before they are made to sum to 1.
// Positions are in units of 1 / (2 * size * out_size) of the side, so that all of them are whole.
void triangle(std::size_t result, std::int64_t size, std::int64_t out_size, std::size_t& first,
              std::vector<std::int64_t>& heights) {
  const std::int64_t centre = (2 * static_cast<std::int64_t>(result) + 1) * size;
  const std::int64_t reach = 2 * std::max(size, out_size);
  // Pixel j lies at (2 j + 1) * out_size and counts when that is nearer to `centre` than `reach`.
  std::int64_t from = std::max<std::int64_t>((centre - reach) / (2 * out_size) - 1, 0);
  heights.clear();
  first = static_cast<std::size_t>(from);
  for (std::int64_t j = from; j < size; ++j) {
    const std::int64_t height = reach - std::abs((2 * j + 1) * out_size - centre);
    if (height > 0) {
      heights.push_back(height);
    } else if (heights.empty()) {
      first = static_cast<std::size_t>(j) + 1;
    } else {
      break;
    }
  }
}

// Each weight is the difference of two rounded running sums, so that together they are exactly 1.
void append_weights(const std::vector<std::int64_t>& heights, std::vector<std::uint32_t>& weight) {
  std::int64_t total = 0;
  for (const std::int64_t height : heights) total += height;
  std::int64_t sum = 0;
  std::int64_t before = 0;
  for (const std::int64_t height : heights) {
    sum += height;
    const std::int64_t after = (sum << kWeightBits) / total;
    weight.push_back(static_cast<std::uint32_t>(after - before));
    before = after;
  }
}

Taps taps(std::size_t size, std::size_t out_size) {
  Taps side;
  std::vector<std::int64_t> heights;
  side.begin.push_back(0);
  for (std::size_t result = 0; result < out_size; ++result) {
    std::size_t first = 0;
    triangle(result, static_cast<std::int64_t>(size), static_cast<std::int64_t>(out_size), first,
             heights);
    append_weights(heights, side.weight);
    side.first.push_back(first);
    side.begin.push_back(side.weight.size());
  }
  return side;
}

// One row of the picture, `Channels` values a pixel, to one row of results in 1/256.
template <std::size_t Channels>
void resample_row(const std::uint8_t* row, const Taps& side, std::uint16_t* out) {
  constexpr int kShift = kWeightBits - kBetweenBits;
  const std::size_t results = side.first.size();
  for (std::size_t x = 0; x < results; ++x, out += Channels) {
    const std::uint8_t* pixel = row + side.first[x] * Channels;
    const std::uint32_t* weight = side.weight.data() + side.begin[x];
    std::uint32_t sum[Channels] = {};
    for (std::size_t k = side.count(x); k > 0; --k, ++weight, pixel += Channels) {
      for (std::size_t c = 0; c < Channels; ++c) sum[c] += *weight * pixel[c];
    }
    for (std::size_t c = 0; c < Channels; ++c) {
      out[c] = static_cast<std::uint16_t>((sum[c] + (1u << (kShift - 1))) >> kShift);
    }
  }
}

using RowFunction = void (*)(const std::uint8_t*, const Taps&, std::uint16_t*);
constexpr RowFunction kResampleRow[] = {resample_row<1>, resample_row<2>, resample_row<3>, resample_row<4>};

// Rows of results in 1/256, `line` values each, to rows of bytes.
void resample_columns(const std::vector<std::uint16_t>& between, std::size_t line, const Taps& side,
                    std::uint8_t* out) {
  constexpr int kShift = kWeightBits + kBetweenBits;
  std::vector<std::uint64_t> sum(line);
  for (std::size_t y = 0; y < side.first.size(); ++y, out += line) {
    std::fill(sum.begin(), sum.end(), std::uint64_t{1} << (kShift - 1));
    const std::uint16_t* row = between.data() + side.first[y] * line;
    for (std::size_t k = side.begin[y]; k < side.begin[y + 1]; ++k, row += line) {
      const std::uint64_t weight = side.weight[k];
      for (std::size_t i = 0; i < line; ++i) sum[i] += weight * row[i];
    }
    for (std::size_t i = 0; i < line; ++i) out[i] = static_cast<std::uint8_t>(sum[i] >> kShift);
  }
}

void expect_side(std::size_t size, const char* name) {
  if (size == 0 || size > kMaxImageSide) {
    throw Error(ErrorKind::kArgument, std::string(name) + " must be 1 to " +
                                          std::to_string(kMaxImageSide) + " pixels, not " +
                                          std::to_string(size));
  }
}

}  // namespace

void resize(const std::uint8_t* in, std::size_t height, std::size_t width, std::size_t channels,
            std::uint8_t* out, std::size_t out_height, std::size_t out_width) {
  expect_side(height, "a picture's height");
  expect_side(width, "a picture's width");
  expect_side(out_height, "the new height");
  expect_side(out_width, "the new width");
  if (channels < 1 || channels > 4) {
    throw Error(ErrorKind::kArgument,
                "a picture has 1 to 4 channels, not " + std::to_string(channels));
  }
  if (height == out_height && width == out_width) {
    std::memcpy(out, in, height * width * channels);
    return;
  }
  const Taps across = taps(width, out_width);
  const Taps down = taps(height, out_height);
  const std::size_t line = out_width * channels;
  std::vector<std::uint16_t> between(height * line);
  for (std::size_t y = 0; y < height; ++y) {
    kResampleRow[channels - 1](in + y * width * channels, across, between.data() + y * line);
  }
  resample_columns(between, line, down, out);
}

}  // namespace edgewise
