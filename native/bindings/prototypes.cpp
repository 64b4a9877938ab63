#include "edgewise/prototypes.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bindings.hpp"
#include "edgewise/error.hpp"

namespace py = pybind11;
using edgewise::Background;
using edgewise::Calibration;
using edgewise::ClassState;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::Judgement;
using edgewise::Metric;
using edgewise::NearestBuffers;
using edgewise::Prototypes;
using edgewise::Scores;

namespace {

using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Doubles = py::array_t<double, py::array::c_style | py::array::forcecast>;
using Rows = py::array_t<std::int8_t, py::array::c_style>;
using Integers = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;

std::string size_text(std::size_t size) { return std::to_string(size); }

Metric metric_of(const std::string& name) {
  if (name == "cosine") return Metric::kCosine;
  if (name == "euclidean") return Metric::kEuclidean;
  throw Error(ErrorKind::kArgument, "unknown metric '" + edgewise::printable(name) +
                                        "'; the metrics are cosine and euclidean");
}

std::size_t expect_embeddings(const Prototypes& self, const Floats& embeddings) {
  if (embeddings.ndim() != 2 || static_cast<std::size_t>(embeddings.shape(1)) != self.dim()) {
    throw Error(ErrorKind::kArgument,
                "embeddings have shape (N, " + size_text(self.dim()) + ") here");
  }
  return static_cast<std::size_t>(embeddings.shape(0));
}

void add(Prototypes& self, const std::string& label, const Floats& embeddings) {
  const std::size_t n = expect_embeddings(self, embeddings);
  const float* const values = embeddings.data();
  py::gil_scoped_release unlocked;
  self.add(label, values, n);
}

// (labels, scores (N, C))
py::tuple score(const Prototypes& self, const Floats& embeddings) {
  const std::size_t n = expect_embeddings(self, embeddings);
  Scores scores;
  {
    const float* const values = embeddings.data();
    py::gil_scoped_release unlocked;
    scores = self.score(values, n);
  }
  Doubles array({n, scores.labels.size()});
  std::copy(scores.values.begin(), scores.values.end(), array.mutable_data());
  return py::make_tuple(scores.labels, array);
}

std::shared_ptr<Background> make_background(const py::array& rows, const py::array& scales,
                                            double share, std::size_t nearest) {
  if (!py::isinstance<Rows>(rows) || rows.ndim() != 2 || !py::isinstance<Floats>(scales) ||
      scales.ndim() != 1 || scales.shape(0) != rows.shape(0)) {
    throw Error(ErrorKind::kArgument,
                "a background is int8 of shape (N, dim), row-major, and float32 scales (N,)");
  }
  const auto* const numbers = static_cast<const std::int8_t*>(rows.data());
  const auto* const factors = static_cast<const float*>(scales.data());
  return std::make_shared<Background>(std::vector<std::int8_t>(numbers, numbers + rows.size()),
                                      std::vector<float>(factors, factors + scales.size()),
                                      static_cast<std::size_t>(rows.shape(1)), share, nearest);
}

// (N,)
Doubles level(const Background& self, const Floats& embeddings) {
  if (embeddings.ndim() != 2 || static_cast<std::size_t>(embeddings.shape(1)) != self.dim()) {
    throw Error(ErrorKind::kArgument,
                "embeddings have shape (N, " + size_text(self.dim()) + ") here");
  }
  Doubles levels(embeddings.shape(0));
  NearestBuffers buffers;
  for (py::ssize_t i = 0; i < embeddings.shape(0); ++i) {
    levels.mutable_data()[i] = self.level(embeddings.data(i), buffers);
  }
  return levels;
}

// (labels, probabilities, unknown), a list of N each; None when there are no classes. Lists, because
// mostly one picture is asked about, and two arrays would cost it more than the answer.
py::object classify(const Prototypes& self, const Floats& embeddings, double temperature,
                    double threshold, std::shared_ptr<Background> background) {
  const std::size_t n = expect_embeddings(self, embeddings);
  const Calibration calibration = {temperature, threshold, std::move(background)};
  const Scores scores = self.score(embeddings.data(), n);
  if (scores.labels.empty()) return py::none();
  py::list labels;
  py::list probabilities;
  py::list unknown;
  NearestBuffers buffers;
  for (std::size_t i = 0; i < n; ++i) {
    const double* const row = scores.values.data() + i * scores.labels.size();
    const double level = self.level(embeddings.data() + i * self.dim(), calibration, buffers);
    const Judgement judgement = edgewise::judge(row, scores.labels.size(), calibration, level);
    labels.append(scores.labels[judgement.best]);
    probabilities.append(judgement.probability);
    unknown.append(judgement.unknown);
  }
  return py::make_tuple(labels, probabilities, unknown);
}

// (labels, examples (C,), sums (C, dim))
py::tuple snapshot(const Prototypes& self) {
  const std::vector<ClassState> state = self.snapshot();
  std::vector<std::string> labels;
  Integers examples(static_cast<py::ssize_t>(state.size()));
  Doubles sums({state.size(), self.dim()});
  double* out = sums.mutable_data();
  for (std::size_t i = 0; i < state.size(); ++i) {
    labels.push_back(state[i].label);
    examples.mutable_data()[i] = state[i].examples;
    out = std::copy(state[i].sum.begin(), state[i].sum.end(), out);
  }
  return py::make_tuple(labels, examples, sums);
}

std::unique_ptr<Prototypes> restore(const std::string& metric,
                                    const std::vector<std::string>& labels,
                                    const Integers& examples, const Doubles& sums) {
  const auto count = static_cast<py::ssize_t>(labels.size());
  if (examples.ndim() != 1 || examples.shape(0) != count || sums.ndim() != 2 ||
      sums.shape(0) != count) {
    throw Error(ErrorKind::kArgument, "labels, examples (C,) and sums (C, dim) differ in number");
  }
  const auto dim = static_cast<std::size_t>(sums.shape(1));
  std::vector<ClassState> state(labels.size());
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const double* const sum = sums.data() + i * dim;
    state[i] = {labels[i], examples.data()[i], std::vector<double>(sum, sum + dim)};
  }
  return std::make_unique<Prototypes>(dim, metric_of(metric), std::move(state));
}

// (best (N,), probability (N,), unknown (N,), probabilities (N, C))
py::tuple judge(const Doubles& scores, double temperature, double threshold) {
  if (scores.ndim() != 2) throw Error(ErrorKind::kArgument, "scores have shape (N, C)");
  const py::ssize_t n = scores.shape(0);
  const auto classes = static_cast<std::size_t>(scores.shape(1));
  const Calibration calibration = {temperature, threshold};
  Integers best(n);
  Doubles probability(n);
  py::array_t<bool> unknown(n);
  Doubles probabilities({n, scores.shape(1)});
  for (py::ssize_t i = 0; i < n; ++i) {
    const std::size_t row = static_cast<std::size_t>(i) * classes;
    const Judgement judgement = edgewise::judge(scores.data() + row, classes, calibration, 0.0,
                                                probabilities.mutable_data() + row);
    best.mutable_data()[i] = static_cast<std::int64_t>(judgement.best);
    probability.mutable_data()[i] = judgement.probability;
    unknown.mutable_data()[i] = judgement.unknown;
  }
  return py::make_tuple(best, probability, unknown, probabilities);
}

}  // namespace

void bind_prototypes(py::module_& module) {
  py::class_<Background, std::shared_ptr<Background>>(module, "Background")
      .def(py::init(&make_background), py::arg("rows"), py::arg("scales"), py::arg("share"),
           py::arg("nearest"))
      .def_property_readonly("dim", &Background::dim)
      .def("level", &level, py::arg("embeddings"));

  py::class_<Prototypes>(module, "Prototypes")
      .def(py::init([](std::size_t dim, const std::string& metric) {
             return std::make_unique<Prototypes>(dim, metric_of(metric));
           }),
           py::arg("dim"), py::arg("metric"))
      .def_static("restore", &restore, py::arg("metric"), py::arg("labels"), py::arg("examples"),
                  py::arg("sums"))
      .def_property_readonly("dim", &Prototypes::dim)
      .def_property_readonly("metric",
                             [](const Prototypes& self) {
                               return self.metric() == Metric::kCosine ? "cosine" : "euclidean";
                             })
      .def("add", &add, py::arg("label"), py::arg("embeddings"))
      .def("remove", &Prototypes::remove, py::arg("label"))
      .def_property_readonly("labels", &Prototypes::labels)
      .def("snapshot", &snapshot)
      .def("score", &score, py::arg("embeddings"))
      .def("classify", &classify, py::arg("embeddings"), py::arg("temperature"),
           py::arg("threshold"), py::arg("background") = py::none());

  module.def("judge", &judge, py::arg("scores"), py::arg("temperature"), py::arg("threshold"));
}
