// How a saved file says which bundle it was made with.
#pragma once

#include <memory>
#include <string>

#include "edgewise/bundle.hpp"

namespace edgewise {

// A digest of a bundle's tensors: 16 hexadecimal digits.
std::string fingerprint(const Bundle& bundle);

struct BundleReference {
  std::string name;
  std::string path;  // absolute; empty where the bundle was no file, or ships with the package
  std::string fingerprint;
};

BundleReference refer_to(const Bundle& bundle);

// The bundle meant: `given`, or when that is null the one at the reference's path, which must be of
// `kind`. `file` is the saved file, for messages. Error(kBundle) when it is not there,
// Error(kProfile) when it is another one.
std::shared_ptr<const Bundle> resolve(const BundleReference& reference,
                                      std::shared_ptr<const Bundle> given, const char* kind,
                                      const std::string& file);

}  // namespace edgewise
