#include "edgewise/latency.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <memory>
#include <string>
#include <vector>

#include "bindings.hpp"
#include "codes.hpp"
#include "edgewise/bundle.hpp"
#include "edgewise/error.hpp"
#include "edgewise/features.hpp"
#include "edgewise/space.hpp"

namespace py = pybind11;
using edgewise::AdaptedLatency;
using edgewise::Bundle;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::FeatureColumn;
using edgewise::FeatureKind;
using edgewise::LatencyPrior;
using edgewise::LatencyPriorData;
using edgewise::Space;

namespace {

using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;

// An adapted device and the space whose strings it reads.
struct Adapted {
  const Space* space;
  std::shared_ptr<const LatencyPriorData> prior;
  AdaptedLatency device;
};

struct Prior {
  std::shared_ptr<const LatencyPrior> prior;
};

std::vector<double> to_vector(const Doubles& array) {
  return {array.data(), array.data() + array.size()};
}

// (ms, low, high): floats for one architecture, (N,) float64 arrays for a sequence.
py::tuple predict(const Adapted& self, const py::object& archs, double confidence) {
  if (PyUnicode_Check(archs.ptr()) || PyDict_Check(archs.ptr())) {
    const std::vector<std::uint8_t> codes = encode_one(*self.space, archs);
    double ms = 0.0;
    double low = 0.0;
    double high = 0.0;
    self.device.predict(codes.data(), 1, confidence, &ms, &low, &high);
    return py::make_tuple(ms, low, high);
  }
  const Codes codes = encode(*self.space, archs);
  const py::ssize_t n = codes.shape(0);
  Doubles ms(n);
  Doubles low(n);
  Doubles high(n);
  {
    double* const out[] = {ms.mutable_data(), low.mutable_data(), high.mutable_data()};
    py::gil_scoped_release unlocked;
    self.device.predict(codes.data(), static_cast<std::size_t>(n), confidence, out[0], out[1],
                        out[2]);
  }
  return py::make_tuple(ms, low, high);
}

Adapted adapt(const Prior& self, const py::object& archs, const Doubles& ms, double unsteady) {
  const Space& space = self.prior->space();
  const Codes codes = encode(space, archs);
  if (ms.ndim() != 1 || ms.shape(0) != codes.shape(0)) {
    throw Error(ErrorKind::kArgument, "ms must hold one timing per architecture, shape (" +
                                          std::to_string(codes.shape(0)) + ",)");
  }
  const double* const timings = ms.data();
  py::gil_scoped_release unlocked;
  return {&space, std::shared_ptr<const LatencyPriorData>(self.prior, &self.prior->data()),
          self.prior->adapt(codes.data(), timings, static_cast<std::size_t>(ms.size()), unsteady)};
}

std::vector<std::size_t> design(const Prior& self, const py::object& candidates,
                                std::size_t count) {
  const Codes codes = encode(self.prior->space(), candidates);
  const auto n = static_cast<std::size_t>(codes.shape(0));
  py::gil_scoped_release unlocked;
  return edgewise::choose_references(self.prior->belief(), self.prior->data().floor,
                                     self.prior->space(), codes.data(), n, count);
}

std::size_t next_reference(const Adapted& self, const py::object& candidates) {
  const Codes codes = encode(*self.space, candidates);
  const auto n = static_cast<std::size_t>(codes.shape(0));
  py::gil_scoped_release unlocked;
  return self.device.next_reference(codes.data(), n);
}

py::dict semantics(const Adapted& self) {
  py::dict weights;
  for (const auto& term : self.device.posterior().belief()) {
    weights[py::str(self.prior->semantics[term.semantics])] = term.weight;
  }
  return weights;
}

Doubles execution_table(const Space& space, const std::string& name) {
  const auto shape = edgewise::execution_shape(space);
  const std::vector<double> table = edgewise::execution_table(space, name);
  return Doubles({shape.patterns, shape.positions}, table.data());
}

// (N, columns) features of architectures under an execution table, for training on the host.
Doubles features(const Space& space, const py::object& archs, const Doubles& execution) {
  const auto shape = edgewise::execution_shape(space);
  if (execution.ndim() != 2 || execution.shape(0) != static_cast<py::ssize_t>(shape.patterns) ||
      execution.shape(1) != static_cast<py::ssize_t>(shape.positions)) {
    throw Error(ErrorKind::kArgument, "execution has shape (" + std::to_string(shape.patterns) +
                                          ", " + std::to_string(shape.positions) + ")");
  }
  const Codes codes = encode(space, archs);
  const auto map = edgewise::make_features(space, execution.data());
  Doubles dense({codes.shape(0), static_cast<py::ssize_t>(map->columns())});
  std::fill_n(dense.mutable_data(), dense.size(), 0.0);
  edgewise::FeatureRow row;
  for (py::ssize_t i = 0; i < codes.shape(0); ++i) {
    map->row(codes.data(i, 0), row);
    for (int k = 0; k < row.size; ++k) *dense.mutable_data(i, row.column[k]) += row.value[k];
  }
  return dense;
}

Prior make_prior(const Space& space, std::vector<std::string> names, const Doubles& names_weight,
                 const Doubles& execution, const Doubles& mean, const Doubles& factors,
                 const Doubles& factor_variance, const Doubles& own_variance,
                 const Doubles& covariance_weight, const Doubles& noise,
                 const Doubles& noise_weight, double floor, double interval_scale) {
  LatencyPriorData data;
  data.semantics = std::move(names);
  data.semantics_log_weight = to_vector(names_weight);
  data.execution = to_vector(execution);
  data.mean = to_vector(mean);
  data.factors = to_vector(factors);
  data.factor_variance = to_vector(factor_variance);
  data.own_variance = to_vector(own_variance);
  data.covariance_log_weight = to_vector(covariance_weight);
  data.noise = to_vector(noise);
  data.noise_log_weight = to_vector(noise_weight);
  data.floor = floor;
  data.interval_scale = interval_scale;
  return {std::make_shared<const LatencyPrior>(space, std::move(data))};
}

}  // namespace

void bind_latency(py::module_& module) {
  py::class_<FeatureColumn>(module, "FeatureColumn")
      .def_readonly("name", &FeatureColumn::name)
      .def_property_readonly("kind",
                             [](const FeatureColumn& column) {
                               switch (column.kind) {
                                 case FeatureKind::kCount: return "count";
                                 case FeatureKind::kSize: return "size";
                                 case FeatureKind::kNetwork: return "network";
                               }
                               return "unknown";
                             })
      .def_readonly("kernels", &FeatureColumn::kernels);

  py::class_<Adapted>(module, "AdaptedLatency")
      .def("predict", &predict, py::arg("archs"), py::arg("confidence") = edgewise::kUsualConfidence)
      .def_property_readonly(
          "embedding",
          [](const Adapted& self) {
            const std::vector<double> costs = self.device.posterior().embedding();
            return Doubles(static_cast<py::ssize_t>(costs.size()), costs.data());
          })
      .def_property_readonly("noise", [](const Adapted& self) { return self.device.posterior().noise(); })
      .def_property_readonly("semantics", &semantics)
      .def("next_reference", &next_reference, py::arg("candidates"));

  py::class_<Prior>(module, "LatencyPrior")
      .def(py::init(&make_prior), py::kw_only(), py::arg("space"), py::arg("semantics"),
           py::arg("semantics_log_weight"), py::arg("execution"), py::arg("mean"),
           py::arg("factors"), py::arg("factor_variance"), py::arg("own_variance"),
           py::arg("covariance_log_weight"), py::arg("noise"), py::arg("noise_log_weight"),
           py::arg("floor"), py::arg("interval_scale"))
      .def_static(
          "load",
          [](const Space& space, const Bundle& bundle) {
            return Prior{std::make_shared<const LatencyPrior>(LatencyPrior::load(space, bundle))};
          },
          py::arg("space"), py::arg("bundle"))
      .def("adapt", &adapt, py::arg("archs"), py::arg("ms"), py::arg("unsteady") = 0.0)
      .def("design", &design, py::arg("candidates"), py::arg("count"))
      .def_property_readonly("minimum_samples",
                             [](const Prior&) { return LatencyPrior::minimum_samples(); });

  module.def("execution_table", &execution_table, py::arg("space"), py::arg("semantics"));
  module.def("features", &features, py::arg("space"), py::arg("archs"), py::arg("execution"));
  module.def("feature_columns", &edgewise::feature_columns, py::arg("space"));
}
