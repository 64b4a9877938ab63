#include "edgewise/bundle.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "bindings.hpp"

namespace py = pybind11;
using edgewise::Bundle;
using edgewise::DType;
using edgewise::Tensor;

namespace {

py::dtype numpy_dtype(DType dtype) {
  switch (dtype) {
    case DType::kBool: return py::dtype("?");
    case DType::kU8: return py::dtype("u1");
    case DType::kI8: return py::dtype("i1");
    case DType::kU16: return py::dtype("<u2");
    case DType::kI16: return py::dtype("<i2");
    case DType::kF16: return py::dtype("<f2");
    case DType::kU32: return py::dtype("<u4");
    case DType::kI32: return py::dtype("<i4");
    case DType::kF32: return py::dtype("<f4");
    case DType::kU64: return py::dtype("<u8");
    case DType::kI64: return py::dtype("<i8");
    case DType::kF64: return py::dtype("<f8");
  }
  throw std::logic_error("a dtype without a numpy twin");
}

// A read-only view into the bundle's bytes; `owner`, the bundle's Python object, keeps them alive.
py::array view(const Tensor& tensor, const py::object& owner) {
  const std::vector<py::ssize_t> shape(tensor.shape.begin(), tensor.shape.end());
  py::array array(numpy_dtype(tensor.dtype), shape, tensor.data, owner);
  array.attr("setflags")(py::arg("write") = false);
  return array;
}

}  // namespace

void bind_bundle(py::module_& module) {
  module.attr("BUNDLE_FORMAT") = edgewise::kBundleFormat;

  py::class_<Bundle, std::shared_ptr<Bundle>>(module, "Bundle")
      .def_static(
          "open",
          [](const std::string& path, const std::string& kind) {
            py::gil_scoped_release unlocked;
            return std::const_pointer_cast<Bundle>(Bundle::open(path, kind));
          },
          py::arg("path"), py::arg("kind") = "")
      .def_static(
          "from_bytes",
          [](const py::bytes& data, const std::string& label, const std::string& kind) {
            const std::string_view bytes = data;  // immutable, so it needs no lock to be read
            py::gil_scoped_release unlocked;
            return std::const_pointer_cast<Bundle>(
                Bundle::from_bytes(bytes.data(), bytes.size(), label, kind));
          },
          py::arg("data"), py::arg("label"), py::arg("kind") = "")
      .def_property_readonly("kind", &Bundle::kind)
      .def_property_readonly("name", &Bundle::name)
      .def_property_readonly("manifest", &Bundle::manifest)
      .def_property_readonly("file_bytes", &Bundle::file_bytes)
      .def("names", &Bundle::names)
      .def("__contains__", &Bundle::contains, py::arg("name"))
      .def("deflated", &Bundle::deflated, py::arg("name"))
      .def("stored_bytes", &Bundle::stored_bytes, py::arg("name"))
      .def(
          "tensor",
          [](const py::object& self, const std::string& name) {
            const auto& bundle = self.cast<const Bundle&>();
            const Tensor* tensor = nullptr;
            {
              py::gil_scoped_release unlocked;
              tensor = &bundle.tensor(name);
            }
            return view(*tensor, self);
          },
          py::arg("name"))
      .def("verify", &Bundle::verify, py::call_guard<py::gil_scoped_release>());
}
