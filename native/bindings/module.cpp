// The extension module edgewise._core, and how the core's errors become Python's.
#include <pybind11/pybind11.h>

#include <string>

#include "bindings.hpp"
#include "edgewise/error.hpp"
#include "edgewise/version.h"

namespace py = pybind11;

namespace {

const char* class_of(edgewise::ErrorKind kind) {
  switch (kind) {
    case edgewise::ErrorKind::kArgument:
      return "ArgumentError";
    case edgewise::ErrorKind::kArchitecture:
      return "ArchitectureError";
    case edgewise::ErrorKind::kBundle:
      return "BundleError";
    case edgewise::ErrorKind::kModelFile:
      return "ModelFileError";
    case edgewise::ErrorKind::kMeasurement:
      return "MeasurementError";
    case edgewise::ErrorKind::kProfile:
      return "ProfileError";
    case edgewise::ErrorKind::kStorage:
      return "StorageError";
  }
  return "EdgewiseError";
}

void raise(const edgewise::Error& error) {
  const py::object type = py::module_::import("edgewise.errors").attr(class_of(error.kind()));
  const std::string what = error.what();
  // A message may quote a path or a header: bytes that need not be UTF-8.
  const auto text = py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(what.data(), static_cast<Py_ssize_t>(what.size()), "replace"));
  PyErr_SetObject(type.ptr(), text.ptr());
}

}  // namespace

PYBIND11_MODULE(_core, module) {
  module.doc() = "The C++ core of edgewise: bundles, spaces, model files, the latency"
                 " predictor, pictures, prototypes and the search of an index.";
  module.attr("__version__") = EDGEWISE_VERSION;
  py::register_local_exception_translator([](std::exception_ptr pointer) {
    try {
      if (pointer) std::rethrow_exception(pointer);
    } catch (const edgewise::Error& error) {
      raise(error);
    }
  });
  bind_bundle(module);
  bind_kernel(module);
  bind_space(module);
  bind_model_file(module);
  bind_latency(module);
  bind_network_latency(module);
  bind_image(module);
  bind_prototypes(module);
  bind_nearest(module);
}
