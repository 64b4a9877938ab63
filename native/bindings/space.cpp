#include "edgewise/space.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bindings.hpp"
#include "codes.hpp"
#include "edgewise/error.hpp"

namespace py = pybind11;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::Kernel;
using edgewise::Space;

namespace {

// Codes of any integer type as bytes; a value that would wrap becomes 255, which no space has.
std::vector<std::uint8_t> narrow(const py::array& codes) {
  const auto wide = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>(codes);
  std::vector<std::uint8_t> bytes(static_cast<std::size_t>(wide.size()));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    const std::int64_t value = wide.data()[i];
    bytes[i] = value < 0 || value > 255 ? 255 : static_cast<std::uint8_t>(value);
  }
  return bytes;
}

std::vector<std::string> decode(const Space& space, const py::object& object) {
  const py::array codes = py::array::ensure(object);
  if (!codes) PyErr_Clear();
  const auto length = static_cast<py::ssize_t>(space.code_length());
  const bool integers = codes && (codes.dtype().kind() == 'u' || codes.dtype().kind() == 'i');
  if (!integers || codes.ndim() < 1 || codes.ndim() > 2 ||
      codes.shape(codes.ndim() - 1) != length) {
    throw Error(ErrorKind::kArgument, "codes are integers of shape (N, " +
                                          std::to_string(length) + ")");
  }
  const std::vector<std::uint8_t> bytes = narrow(codes);
  std::vector<std::string> texts;
  for (std::size_t at = 0; at < bytes.size(); at += space.code_length()) {
    texts.push_back(space.decode(bytes.data() + at));
  }
  return texts;
}

std::vector<std::string> architectures(const Space& space) {
  std::vector<std::uint8_t> codes(space.code_length());
  std::vector<std::string> texts;
  texts.reserve(space.size());
  for (std::size_t i = 0; i < space.size(); ++i) {
    space.codes_of(i, codes.data());
    texts.push_back(space.decode(codes.data()));
  }
  return texts;
}

std::string kernel_repr(const Kernel& k) {
  const auto& at = k.position;
  return std::string("Kernel(") + edgewise::kernel_op_name(k.op) + " " +
         std::to_string(k.kernel_height) + "x" + std::to_string(k.kernel_width) + "/" +
         std::to_string(k.stride) + ", " + std::to_string(k.height) + "x" +
         std::to_string(k.width) + "x" + std::to_string(k.in_channels) + " -> " +
         std::to_string(k.out_channels) + ", position=(" + std::to_string(at.stage) + ", " +
         std::to_string(at.cell) + ", " + std::to_string(at.edge) + "))";
}

}  // namespace

void bind_space(py::module_& module) {
  py::class_<Kernel>(module, "Kernel")
      .def_property_readonly("op", [](const Kernel& k) { return edgewise::kernel_op_name(k.op); })
      .def_property_readonly(
          "activation", [](const Kernel& k) { return edgewise::kernel_op_name(k.activation); })
      .def_readonly("batch", &Kernel::batch)
      .def_readonly("height", &Kernel::height)
      .def_readonly("width", &Kernel::width)
      .def_readonly("in_channels", &Kernel::in_channels)
      .def_readonly("out_channels", &Kernel::out_channels)
      .def_readonly("out_height", &Kernel::out_height)
      .def_readonly("out_width", &Kernel::out_width)
      .def_readonly("kernel_height", &Kernel::kernel_height)
      .def_readonly("kernel_width", &Kernel::kernel_width)
      .def_readonly("stride", &Kernel::stride)
      .def_readonly("groups", &Kernel::groups)
      .def_property_readonly("position",
                             [](const Kernel& k) {
                               return py::make_tuple(k.position.stage, k.position.cell,
                                                     k.position.edge);
                             })
      .def_readonly("element_bytes", &Kernel::element_bytes)
      .def_readonly("inputs", &Kernel::inputs)
      .def_property_readonly("macs", &Kernel::macs)
      .def_property_readonly("input_bytes", &Kernel::input_bytes)
      .def_property_readonly("output_bytes", &Kernel::output_bytes)
      .def_property_readonly("weight_bytes", &Kernel::weight_bytes)
      .def_property_readonly("bytes", &Kernel::bytes)
      .def("__repr__", &kernel_repr);

  py::class_<Space>(module, "Space")
      .def_property_readonly("name", &Space::name)
      .def_property_readonly("size", &Space::size)
      .def_property_readonly("choices", &Space::choices)
      .def_property_readonly("semantics", &Space::semantics)
      .def("parse",
           [](const Space& space, const py::object& architecture) {
             return space.decode(encode_one(space, architecture).data());
           },
           py::arg("arch"))
      .def("encode", &encode, py::arg("archs"))
      .def("decode", &decode, py::arg("codes"))
      .def("architectures", &architectures)
      .def("connected",
           [](const Space& space, const py::object& architecture) {
             return space.connected(encode_one(space, architecture).data());
           },
           py::arg("arch"))
      .def("lower",
           [](const Space& space, const py::object& architecture, const std::string& semantics) {
             return space.lower(encode_one(space, architecture).data(), semantics);
           },
           py::arg("arch"), py::arg("semantics") = "live")
      .def("flops",
           [](const Space& space, const py::object& architecture, const std::string& semantics) {
             return space.flops(encode_one(space, architecture).data(), semantics);
           },
           py::arg("arch"), py::arg("semantics") = "live")
      .def("__repr__", [](const Space& space) {
        return std::string("<edgewise space '") + space.name() + "'>";
      });

  module.def("space_names", &edgewise::space_names);
  module.def("get_space", &edgewise::get_space, py::arg("name"),
             py::return_value_policy::reference);
}
