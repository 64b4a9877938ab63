#include "model_value.hpp"

#include <algorithm>
#include <limits>

#include "edgewise/error.hpp"

namespace edgewise {

void fail_model(const std::string& cause) { throw Error(ErrorKind::kModelFile, cause); }

void check_shape(const Shape& shape) {
  constexpr std::int64_t kMost = std::numeric_limits<std::int32_t>::max();
  if (shape.size() > kMaxRank) {
    fail_model("a tensor of " + std::to_string(shape.size()) + " dimensions; at most " +
               std::to_string(kMaxRank) + " make sense");
  }
  // Empty tensors too: a product must not overflow before it meets its zero.
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) {
    if (size < 0) fail_model("a tensor of a negative size, " + shape_text(shape));
    if (size > kMost || elements * std::max<std::int64_t>(size, 1) > kMost) {
      fail_model("a tensor of the size " + shape_text(shape) + ": 2^31 elements or more");
    }
    elements *= std::max<std::int64_t>(size, 1);
  }
}

std::int64_t element_count(const Shape& shape) noexcept {
  std::int64_t elements = 1;
  for (const std::int64_t size : shape) elements *= size;
  return elements;
}

std::string shape_text(const Shape& shape) {
  std::string text = "(";
  for (std::size_t i = 0; i < shape.size(); ++i) {
    text += (i == 0 ? "" : ", ") + std::to_string(shape[i]);
  }
  return text + ")";
}

Shape broadcast(const Shape& left, const Shape& right) {
  Shape result(std::max(left.size(), right.size()), 1);
  for (std::size_t i = 1; i <= result.size(); ++i) {
    const std::int64_t a = i <= left.size() ? left[left.size() - i] : 1;
    const std::int64_t b = i <= right.size() ? right[right.size() - i] : 1;
    if (a != b && a != 1 && b != 1) {
      fail_model("tensors of the sizes " + shape_text(left) + " and " + shape_text(right) +
                 " do not fit together");
    }
    result[result.size() - i] = a == 1 ? b : a;
  }
  check_shape(result);
  return result;
}

std::size_t axis_index(std::int64_t axis, std::size_t rank) {
  const auto count = static_cast<std::int64_t>(rank);
  if (axis < -count || axis >= count) {
    fail_model("dimension " + std::to_string(axis) + " of a tensor that has " +
               std::to_string(rank));
  }
  return static_cast<std::size_t>(axis < 0 ? axis + count : axis);
}

}  // namespace edgewise
