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
  int format = 0;  // version, from 1
  std::unordered_map<std::string, std::string> sha256;  // one for each of `tensors`
  std::unordered_set<std::string> deflated;
  std::unordered_map<std::string, std::string> borrowed;  // tensor: lender
  std::vector<Tensor> tensors;  // in file order, padding left out
};

// Every tensor starts at a multiple of this many bytes.
inline constexpr std::size_t kBundleAlignment = 64;

// By where they begin. Ties are empty tensors, and what follows them begins where they do; among
// themselves by name, so that the digest has one order for reader and writer.
void sort_in_file_order(std::vector<Tensor>& tensors);

// sha256 over the manifest and the tensor table, one line a tensor in file order:
// name TAB dtype TAB sizes joined by commas TAB begin TAB end. Hashes of the data alone would miss
// an F32 that became an I32. `data` is where the tensors' bytes begin.
std::string table_digest(const std::string& manifest, const std::vector<Tensor>& tensors,
                         const std::uint8_t* data);

// Throws Error(kBundle) with the cause (the caller adds the file's name).
BundleHeader read_bundle_header(const std::uint8_t* data, std::size_t size);

}  // namespace edgewise
