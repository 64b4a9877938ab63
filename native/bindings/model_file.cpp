#include "edgewise/model_file.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>
#include <string_view>

#include "bindings.hpp"

namespace py = pybind11;
using edgewise::ModelFile;
using edgewise::ModelInput;

namespace {

std::string model_repr(const ModelFile& model) {
  return "<edgewise model file, " + model.format + ", " + std::to_string(model.graph.size()) +
         " kernels>";
}

// A name out of a file, which need not be UTF-8.
py::object text(const std::string& name) {
  return py::reinterpret_steal<py::object>(
      PyUnicode_DecodeUTF8(name.data(), static_cast<Py_ssize_t>(name.size()), "replace"));
}

py::object label_of(const ModelFile& model) {
  return py::reinterpret_steal<py::object>(PyUnicode_DecodeFSDefaultAndSize(
      model.label.data(), static_cast<Py_ssize_t>(model.label.size())));
}

py::list inputs_of(const ModelFile& model) {
  py::list inputs;
  for (const ModelInput& input : model.inputs) {
    inputs.append(py::make_tuple(text(input.name), py::tuple(py::cast(input.shape))));
  }
  return inputs;
}

py::list unknown_of(const ModelFile& model) {
  py::list names;
  for (const std::string& name : model.unknown) names.append(text(name));
  return names;
}

}  // namespace

void bind_model_file(py::module_& module) {
  py::class_<ModelFile>(module, "ModelFile")
      .def_property_readonly("label", &label_of)
      .def_readonly("format", &ModelFile::format)
      .def_property_readonly("inputs", &inputs_of)
      .def_readonly("kernels", &ModelFile::graph)
      .def_property_readonly("unknown", &unknown_of)
      .def_property_readonly("macs", &ModelFile::macs)
      .def_property_readonly("weight_bytes", &ModelFile::weight_bytes)
      .def("__repr__", &model_repr);

  module.def(
      "read_model",
      [](const std::string& path) {
        py::gil_scoped_release unlocked;
        return edgewise::read_model(path);
      },
      py::arg("path"));
  module.def(
      "read_model_bytes",
      [](const py::bytes& data, const std::string& label) {
        const std::string_view bytes = data;  // immutable, so it needs no lock to be read
        py::gil_scoped_release unlocked;
        return edgewise::read_model(bytes.data(), bytes.size(), label);
      },
      py::arg("data"), py::arg("label"));
}
