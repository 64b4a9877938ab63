// Writes bundles (bundle.hpp) of plain tensors: what a device saves. Those with deflated models are
// written by the Python package, on the host.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edgewise/bundle.hpp"

namespace edgewise {

// The bytes of a bundle of that kind and name, in order. `manifest` is a JSON object (text) of what
// the kind adds; format version, kind, name and hashes are added here. Of each tensor, `data` must
// hold as many bytes as its dtype and shape give.
std::string bundle_bytes(std::string_view kind, std::string_view name, const std::string& manifest,
                         const std::vector<Tensor>& tensors);

// Whether text may stand in a manifest.
bool is_utf8(std::string_view text);

// A tensor over `values`, which it does not own.
Tensor tensor_of(std::string name, const std::vector<double>& values,
                 std::vector<std::size_t> shape);
Tensor tensor_of(std::string name, const std::vector<std::int64_t>& values,
                 std::vector<std::size_t> shape);

}  // namespace edgewise
