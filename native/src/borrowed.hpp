// Tensors that are stored without what another tensor of the bundle holds too: the model of one
// runtime, whose weights lie in that of another, their axes in another order; or a model in float32
// whose weights another has in 8 bits.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "edgewise/bundle.hpp"

namespace edgewise {

// What all tensors of a bundle that borrow may take together; no models of a bundle are this large.
inline constexpr std::size_t kMaxBorrowed = std::size_t{256} << 20;

// The bytes of `stored`, at most `limit`, with what it borrows put back. Its layout, which is that of
// the bundle's `format`: see bundle.hpp. Nothing in it is trusted. Throws Error(kBundle) with the cause (the caller adds the file's name).
std::vector<std::uint8_t> with_borrowed(const Tensor& stored, const Tensor& lender,
                                        int format, std::size_t limit = kMaxBorrowed);

}  // namespace edgewise
