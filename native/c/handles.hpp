// What the opaque handles of edgewise.h are.
#pragma once

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>

#include "edgewise/bundle.hpp"
#include "edgewise/bundle_reference.hpp"
#include "edgewise/device.hpp"
#include "edgewise/edgewise.h"
#include "edgewise/error.hpp"
#include "edgewise/prototypes.hpp"
#include "edgewise/space.hpp"
#include "status.hpp"

struct edgewise_bundle {
  std::shared_ptr<const edgewise::Bundle> bundle;
};

struct edgewise_device {
  edgewise::Device device;
};

struct edgewise_classifier {
  edgewise::Prototypes classes;
  edgewise::Calibration calibration;
  edgewise::BundleReference embedder;  // empty for embeddings of the caller's own kind
  std::string precision;
};

namespace edgewise::c {

// A space's handle is the space itself.
inline const Space& space_of(const edgewise_space* handle) {
  expect(handle, "space");
  return *reinterpret_cast<const Space*>(handle);
}

inline const edgewise_space* handle_of(const Space& space) {
  return reinterpret_cast<const edgewise_space*>(&space);
}

// A struct, which begins with its size, may be longer or shorter in the program than here: how
// many bytes of it both know. Error(kArgument) when the size is not set.
template <typename Struct>
std::size_t known_size(const Struct& given, const char* name) {
  if (given.struct_size >= sizeof(std::size_t)) return std::min(given.struct_size, sizeof(Struct));
  throw Error(ErrorKind::kArgument, std::string(name) + "->struct_size is not set");
}

// What was given, over `defaults`.
template <typename Struct>
Struct read_struct(const Struct* given, Struct defaults, const char* name) {
  if (given != nullptr) std::memcpy(&defaults, given, known_size(*given, name));
  return defaults;
}

}  // namespace edgewise::c
