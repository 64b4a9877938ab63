#include "edgewise/network_latency.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "edgewise/bundle.hpp"
#include "edgewise/error.hpp"

namespace py = pybind11;
using edgewise::AdaptedNetwork;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::NetworkPrior;

namespace {

using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;

void expect_rows(const Doubles& rows) {
  const auto columns = static_cast<py::ssize_t>(edgewise::network_columns().size());
  if (rows.ndim() != 2 || rows.shape(1) != columns) {
    throw Error(ErrorKind::kArgument,
                "features of networks have shape (N, " + std::to_string(columns) + ")");
  }
}

Doubles features(const edgewise::KernelGraph& kernels) {
  edgewise::FeatureRow row;
  edgewise::network_features(kernels, row);
  Doubles dense(static_cast<py::ssize_t>(edgewise::network_columns().size()));
  std::fill_n(dense.mutable_data(), dense.size(), 0.0);
  for (int i = 0; i < row.size; ++i) *dense.mutable_data(row.column[i]) = row.value[i];
  return dense;
}

AdaptedNetwork adapt(const NetworkPrior& prior, const Doubles& rows, const Doubles& ms,
                     std::optional<std::size_t> alike, double unsteady) {
  expect_rows(rows);
  if (ms.ndim() != 1 || ms.shape(0) != rows.shape(0)) {
    throw Error(ErrorKind::kArgument, "ms must hold one timing per network, shape (" +
                                          std::to_string(rows.shape(0)) + ",)");
  }
  py::gil_scoped_release unlocked;
  const auto n = static_cast<std::size_t>(ms.size());
  return prior.adapt(rows.data(), ms.data(), n, alike.value_or(n), unsteady);
}

py::tuple predict(const AdaptedNetwork& device, const Doubles& rows, double confidence) {
  expect_rows(rows);
  const py::ssize_t n = rows.shape(0);
  Doubles ms(n);
  Doubles low(n);
  Doubles high(n);
  device.predict(rows.data(), static_cast<std::size_t>(n), confidence, ms.mutable_data(),
                 low.mutable_data(), high.mutable_data());
  return py::make_tuple(ms, low, high);
}

}  // namespace

void bind_network_latency(py::module_& module) {
  py::class_<AdaptedNetwork>(module, "AdaptedNetwork")
      .def("predict", &predict, py::arg("features"), py::arg("confidence") = 0.9)
      .def_property_readonly("prices", [](const AdaptedNetwork& self) {
        const std::vector<double> costs = self.posterior().embedding();
        return Doubles(static_cast<py::ssize_t>(costs.size()), costs.data());
      });

  py::class_<NetworkPrior>(module, "NetworkPrior")
      .def_static("load", &NetworkPrior::load, py::arg("bundle"))
      .def("adapt", &adapt, py::arg("features"), py::arg("ms"), py::arg("alike") = py::none(),
           py::arg("unsteady") = 0.0);

  module.def("network_columns", &edgewise::network_columns);
  module.def("network_features", &features, py::arg("kernels"));
}
