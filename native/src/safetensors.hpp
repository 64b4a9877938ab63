// Reads and validates the header of a bundle. Nothing in it is trusted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <unordered_set>
#include <vector>

#include "edgewise/bundle.hpp"

namespace edgewise {

struct BundleHeader {
  std::string manifest;  // JSON text
  std::string kind;
  std::string name;
  std::unordered_map<std::string, std::string> sha256;  // one for each of `tensors`
  std::unordered_set<std::string> deflated;
  std::vector<Tensor> tensors;  // in file order, padding left out
};

// Throws Error(kBundle) with the cause (the caller adds the file's name).
BundleHeader read_bundle_header(const std::uint8_t* data, std::size_t size);

}  // namespace edgewise
