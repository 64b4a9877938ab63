#include "edgewise/nearest.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <optional>
#include <vector>

#include "bindings.hpp"
#include "edgewise/error.hpp"

namespace py = pybind11;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::Neighbour;

namespace {

// No cast: an index of another dtype would be copied whole at every question.
using Rows = py::array_t<std::int8_t, py::array::c_style>;
using Floats = py::array_t<float, py::array::c_style | py::array::forcecast>;
using Mask = py::array_t<bool, py::array::c_style | py::array::forcecast>;

[[noreturn]] void fail(const char* message) { throw Error(ErrorKind::kArgument, message); }

// (rows (k,), cosines (k,))
py::tuple nearest(const py::array& rows, const Floats& scales, const Floats& query, py::ssize_t k,
                  const std::optional<Mask>& mask) {
  if (!py::isinstance<Rows>(rows) || rows.ndim() != 2) {
    fail("an index is int8 of shape (N, dim), row-major");
  }
  const auto count = rows.shape(0);
  if (scales.ndim() != 1 || scales.shape(0) != count) fail("scales have shape (N,)");
  if (query.ndim() != 1 || query.shape(0) != rows.shape(1)) fail("the query has shape (dim,)");
  if (mask && (mask->ndim() != 1 || mask->shape(0) != count)) fail("the mask has shape (N,)");
  if (k < 1) fail("k must be at least 1");
  const edgewise::IndexView index = {static_cast<const std::int8_t*>(rows.data()), scales.data(),
                                     static_cast<std::size_t>(count),
                                     static_cast<std::size_t>(rows.shape(1))};
  // A bool is a byte of 0 or 1 in numpy.
  const auto* const taken =
      mask ? reinterpret_cast<const std::uint8_t*>(mask->data()) : nullptr;
  const float* const asked = query.data();
  std::vector<Neighbour> found;
  {
    py::gil_scoped_release unlocked;
    found = edgewise::nearest(index, asked, static_cast<std::size_t>(k), taken);
  }
  py::array_t<std::int64_t> numbers(static_cast<py::ssize_t>(found.size()));
  py::array_t<float> cosines(static_cast<py::ssize_t>(found.size()));
  for (std::size_t i = 0; i < found.size(); ++i) {
    numbers.mutable_data()[i] = static_cast<std::int64_t>(found[i].row);
    cosines.mutable_data()[i] = found[i].cosine;
  }
  return py::make_tuple(numbers, cosines);
}

}  // namespace

void bind_nearest(py::module_& module) {
  module.def("nearest", &nearest, py::arg("index"), py::arg("scales"), py::arg("query"),
             py::arg("k"), py::arg("mask") = py::none());
}
