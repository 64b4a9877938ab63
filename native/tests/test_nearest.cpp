// The search of an index by hand. Its slow twin is in tests/sdk/test_nearest.py.
#include <cmath>
#include <limits>
#include <vector>

#include "check.hpp"
#include "edgewise/nearest.hpp"

using namespace edgewise;

namespace {

const std::vector<std::int8_t> kRows = {127, 0, 0, 127, -127, 0, 127, 0, 90, 90};
const std::vector<float> kScales = {1.0f / 127, 1.0f / 127, 1.0f / 127, 1.0f / 127, 1.0f / 127.28f};

IndexView index() { return {kRows.data(), kScales.data(), kScales.size(), 2}; }

std::vector<std::size_t> rows(const std::vector<float>& query, std::size_t k,
                              const std::uint8_t* mask = nullptr) {
  std::vector<std::size_t> found;
  for (const Neighbour& each : nearest(index(), query.data(), k, mask)) found.push_back(each.row);
  return found;
}

using Numbers = std::vector<std::size_t>;

}  // namespace

TEST(nearest_first_and_of_equals_the_lower_row) {
  CHECK(rows({5, 0}, 5) == (Numbers{0, 3, 4, 1, 2}));
  CHECK(rows({0, 0.01f}, 2) == (Numbers{1, 4}));
  CHECK(rows({-1, 0}, 1) == (Numbers{2}));
  const auto found = nearest(index(), std::vector<float>{3, 0}.data(), 3);
  CHECK_NEAR(found[0].cosine, 1.0, 1e-6);
  CHECK_NEAR(found[2].cosine, std::sqrt(0.5), 1e-3);
}

TEST(only_what_the_mask_allows) {
  const std::uint8_t mask[] = {0, 1, 1, 0, 1};
  CHECK(rows({1, 0}, 2, mask) == (Numbers{4, 1}));
  CHECK(rows({1, 0}, 9, mask) == (Numbers{4, 1, 2}));
  const std::uint8_t none[] = {0, 0, 0, 0, 0};
  CHECK(rows({1, 0}, 2, none).empty());
}

TEST(an_empty_index_has_nothing) {
  const float query[] = {1, 2};
  CHECK(nearest({nullptr, nullptr, 0, 2}, query, 3).empty());
}

TEST(what_cannot_be_asked) {
  const float zero[] = {0, 0};
  const float query[] = {1, 0};
  const float infinite[] = {1, std::numeric_limits<float>::infinity()};
  CHECK_THROWS(nearest(index(), zero, 1), "no direction");
  CHECK_THROWS(nearest(index(), infinite, 1), "value 1 is not finite");
  CHECK_THROWS(nearest(index(), query, 0), "at least 1");
  CHECK_THROWS(nearest({kRows.data(), kScales.data(), 1, 0}, query, 1), "dimensions, not 0");
  const float bad[] = {1, NAN};
  CHECK_THROWS(nearest({kRows.data(), bad, 2, 2}, query, 1), "row 1 is not finite");
  const std::uint8_t mask[] = {1, 0};
  CHECK(nearest({kRows.data(), bad, 2, 2}, query, 1, mask).size() == 1);
}

CHECK_MAIN
