#include "edgewise/kernel.hpp"

#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <string>

#include "bindings.hpp"
#include "edgewise/memory.hpp"

namespace py = pybind11;
using edgewise::Kernel;
using edgewise::KernelGraph;

namespace {

std::string kernel_repr(const Kernel& k) {
  const auto& at = k.position;
  return std::string("Kernel(") + edgewise::kernel_op_name(k.op) + " " +
         std::to_string(k.kernel_height) + "x" + std::to_string(k.kernel_width) + "/" +
         std::to_string(k.stride) + ", " + std::to_string(k.height) + "x" +
         std::to_string(k.width) + "x" + std::to_string(k.in_channels) + " -> " +
         std::to_string(k.out_channels) + ", position=(" + std::to_string(at.stage) + ", " +
         std::to_string(at.cell) + ", " + std::to_string(at.edge) + "))";
}

py::tuple memory(const KernelGraph& graph) {
  const edgewise::Memory needed = edgewise::memory(graph);
  return py::make_tuple(needed.peak, needed.weights);
}

}  // namespace

void bind_kernel(py::module_& module) {
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

  module.def("memory", &memory, py::arg("kernels"));
}
