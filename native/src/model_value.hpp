// The tensors of a model file while it is read: sizes, and the few contents that decide sizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edgewise/kernel.hpp"

namespace edgewise {

using Shape = std::vector<std::int64_t>;

// More than any network has; a file that asks for more is refused before it costs memory or time.
inline constexpr std::size_t kMaxModelParts = std::size_t{1} << 18;  // operators, tensors, readings
inline constexpr std::size_t kMaxRank = 16;
// Contents up to this many numbers are kept: shapes, axes, scales; never weights.
inline constexpr std::size_t kMaxContent = 64;

[[noreturn]] void fail_model(const std::string& cause);  // Error(kModelFile)

// Refuses a negative size, more than kMaxRank of them, and a product of 2^31 or more.
void check_shape(const Shape& shape);
std::int64_t element_count(const Shape& shape) noexcept;  // of a checked shape
std::string shape_text(const Shape& shape);               // "(1, 3, 224, 224)"

// The shape of an elementwise result; refuses shapes that do not fit together.
Shape broadcast(const Shape& left, const Shape& right);

// A dimension counted from the end when negative, as an index below `rank`.
std::size_t axis_index(std::int64_t axis, std::size_t rank);

struct Value {
  Shape shape;
  int source = Kernel::kInput;  // the operation that computes it, or which input it is
  int element_bytes = 4;
  bool integer = false;
  bool constant = false;       // does not depend on the network's inputs
  bool channels_last = false;  // an image as (N, H, W, C), not (N, C, H, W)
  bool has_content = false;    // `content` holds every element
  std::vector<double> content;
  bool known = true;           // whether `shape` is
  std::string origin;          // when it is not: the operator that nobody knows

  std::int64_t elements() const noexcept { return element_count(shape); }
  std::int64_t size(std::int64_t axis) const { return shape[axis_index(axis, shape.size())]; }
};

}  // namespace edgewise
