// Bundles.
#include "handles.hpp"

using namespace edgewise::c;
using edgewise::Bundle;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::Tensor;

extern "C" {

edgewise_status edgewise_bundle_open(const char* path, const char* kind,
                                     edgewise_bundle** bundle) {
  return guarded([&] {
    expect(path, "path");
    expect(bundle, "bundle");
    *bundle = new edgewise_bundle{Bundle::open(path, kind == nullptr ? "" : kind)};
  });
}

edgewise_status edgewise_bundle_open_memory(const void* data, size_t size, const char* label,
                                            const char* kind, edgewise_bundle** bundle) {
  return guarded([&] {
    expect_array(data, size, "data");
    expect(bundle, "bundle");
    *bundle = new edgewise_bundle{Bundle::from_bytes(data, size,
                                                     label == nullptr ? "<memory>" : label,
                                                     kind == nullptr ? "" : kind)};
  });
}

void edgewise_bundle_close(edgewise_bundle* bundle) { delete bundle; }

const char* edgewise_bundle_kind(const edgewise_bundle* bundle) {
  return bundle == nullptr ? nullptr : bundle->bundle->kind().c_str();
}

const char* edgewise_bundle_name(const edgewise_bundle* bundle) {
  return bundle == nullptr ? nullptr : bundle->bundle->name().c_str();
}

const char* edgewise_bundle_manifest(const edgewise_bundle* bundle) {
  return bundle == nullptr ? nullptr : bundle->bundle->manifest().c_str();
}

edgewise_status edgewise_bundle_verify(const edgewise_bundle* bundle) {
  return guarded([&] {
    expect(bundle, "bundle");
    bundle->bundle->verify();
  });
}

edgewise_status edgewise_bundle_data(const edgewise_bundle* bundle, const char* name,
                                     const void** data, size_t* size) {
  return guarded([&] {
    expect(bundle, "bundle");
    expect(name, "name");
    expect(data, "data");
    expect(size, "size");
    if (bundle->bundle->deflated(name)) {
      throw Error(ErrorKind::kBundle, bundle->bundle->label() + ": tensor '" + name +
                                          "' is stored deflated, which the Python package reads");
    }
    const Tensor& tensor = bundle->bundle->tensor(name);
    *data = tensor.data;
    *size = tensor.bytes;
  });
}

}  // extern "C"
