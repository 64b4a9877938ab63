// Resizing by hand, and at its limits. Its slow twin is in tests/sdk/test_image.py.
#include <cstdint>
#include <vector>

#include "check.hpp"
#include "edgewise/image.hpp"

using edgewise::resize;

namespace {

using Pixels = std::vector<std::uint8_t>;

Pixels resized(const Pixels& in, std::size_t height, std::size_t width, std::size_t channels,
               std::size_t out_height, std::size_t out_width) {
  Pixels out(out_height * out_width * channels);
  resize(in.data(), height, width, channels, out.data(), out_height, out_width);
  return out;
}

}  // namespace

TEST(by_hand) {
  // Half as wide: weights of a result would be 1, 3, 3, 1; beyond the edge there is nothing, so
  // 3, 3, 1 of 7 are left on each side.
  CHECK((resized({0, 70, 140, 210}, 1, 4, 1, 1, 2) == Pixels{50, 160}));
  // Twice as wide: linear between the centres, constant beyond them.
  CHECK((resized({0, 100}, 1, 2, 1, 1, 4) == Pixels{0, 25, 75, 100}));
  // Down to one pixel: the triangle is as wide as two pictures, so the middle counts most.
  CHECK((resized({0, 0, 255, 0}, 4, 1, 1, 1, 1) == Pixels{74}));
  // Channels do not mix.
  CHECK((resized({0, 9, 200, 100, 9, 0}, 1, 2, 3, 1, 1) == Pixels{50, 9, 100}));
}

TEST(same_size_is_a_copy) {
  const Pixels in = {1, 2, 3, 4, 250, 6};
  CHECK(resized(in, 2, 3, 1, 2, 3) == in);
}

TEST(constants_stay) {
  for (const std::uint8_t value : {0, 1, 127, 254, 255}) {
    for (const std::size_t size : {1, 2, 3, 83, 85, 1000}) {
      CHECK(resized(Pixels(size * 7 * 3, value), size, 7, 3, 84, 84) == Pixels(84 * 84 * 3, value));
    }
  }
}

TEST(long_sides) {
  const Pixels white(edgewise::kMaxImageSide, 255);
  CHECK(resized(white, 1, white.size(), 1, 1, 3) == Pixels(3, 255));
  CHECK(resized(white, white.size(), 1, 1, 1, 1) == Pixels(1, 255));
  CHECK(resized({7}, 1, 1, 1, 1, white.size()) == Pixels(white.size(), 7));
}

TEST(sizes_are_checked) {
  CHECK_THROWS(resized({}, 0, 1, 1, 1, 1), "a picture's height must be 1 to 65536 pixels, not 0");
  CHECK_THROWS(resized({}, 1, 0, 1, 1, 1), "a picture's width must be");
  CHECK_THROWS(resized({1}, 1, 1, 1, 0, 1), "the new height must be");
  CHECK_THROWS(resized({1}, 1, 1, 1, 1, 0), "the new width must be");
  CHECK_THROWS(resized({1}, 1, 1, 5, 1, 1), "1 to 4 channels, not 5");
  CHECK_THROWS(resized({1}, edgewise::kMaxImageSide + 1, 1, 1, 1, 1), "not 65537");
}

CHECK_MAIN
