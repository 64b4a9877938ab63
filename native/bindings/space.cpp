#include "edgewise/space.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "bindings.hpp"
#include "codes.hpp"
#include "edgewise/error.hpp"
#include "edgewise/memory.hpp"

namespace py = pybind11;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::Space;

namespace {

std::vector<std::string> decode(const Space& space, const py::object& object) {
  const Codes codes = narrowed(space, object);
  std::vector<std::string> texts;
  texts.reserve(static_cast<std::size_t>(codes.shape(0)));
  for (py::ssize_t row = 0; row < codes.shape(0); ++row) {
    texts.push_back(space.decode(codes.data(row, 0)));
  }
  return texts;
}

std::vector<std::string> architectures(const Space& space) {
  if (space.size() == 0) {
    throw Error(ErrorKind::kArgument, std::string(space.name()) +
                                          " has too many architectures to list; draw some: "
                                          "space.decode(space.draw(1000, seed=0))");
  }
  std::vector<std::uint8_t> codes(space.code_length());
  std::vector<std::string> texts;
  texts.reserve(space.size());
  for (std::size_t i = 0; i < space.size(); ++i) {
    space.codes_of(i, codes.data());
    texts.push_back(space.decode(codes.data()));
  }
  return texts;
}

// (count, code_length) codes of different architectures.
Codes draw(const Space& space, py::ssize_t count, std::uint64_t seed) {
  if (count < 0) throw Error(ErrorKind::kArgument, "count is " + std::to_string(count));
  std::vector<std::uint8_t> drawn;
  {
    py::gil_scoped_release unlocked;
    drawn = space.draw(static_cast<std::size_t>(count), seed);
  }
  return Codes({count, static_cast<py::ssize_t>(space.code_length())}, drawn.data());
}

// Codes that were each drawn from their choices, (N, code_length), made architectures.
Codes canonical(const Space& space, const py::object& object) {
  const Codes given = narrowed(space, object);
  const std::vector<std::vector<std::uint8_t>> choices = space.choices();
  Codes codes({given.shape(0), given.shape(1)}, given.data());
  for (py::ssize_t i = 0; i < codes.shape(0); ++i) {
    std::uint8_t* const row = codes.mutable_data(i, 0);
    for (std::size_t at = 0; at < choices.size(); ++at) {
      if (std::binary_search(choices[at].begin(), choices[at].end(), row[at])) continue;
      throw Error(ErrorKind::kArgument, "row " + std::to_string(i) + ": position " +
                                            std::to_string(at) + " holds " +
                                            std::to_string(row[at]) +
                                            ", which is none of its choices");
    }
    space.canonical(row);
  }
  return codes;
}

// (N,) peak bytes of activations and (N,) bytes of weights.
py::tuple memory(const Space& space, const py::object& archs, const std::string& semantics) {
  const Codes codes = encode(space, archs);
  const py::ssize_t n = codes.shape(0);
  py::array_t<std::int64_t> peaks(n);
  py::array_t<std::int64_t> weights(n);
  {
    const std::uint8_t* row = codes.data();
    std::int64_t* const peak = peaks.mutable_data();
    std::int64_t* const weight = weights.mutable_data();
    py::gil_scoped_release unlocked;
    for (py::ssize_t i = 0; i < n; ++i, row += space.code_length()) {
      const edgewise::Memory needed = edgewise::memory(space.lower(row, semantics));
      peak[i] = needed.peak;
      weight[i] = needed.weights;
    }
  }
  return py::make_tuple(peaks, weights);
}

}  // namespace

void bind_space(py::module_& module) {
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
      .def("canonical", &canonical, py::arg("codes"))
      .def("architectures", &architectures)
      .def("draw", &draw, py::arg("count"), py::arg("seed"))
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
      .def("memory", &memory, py::arg("archs"), py::arg("semantics") = "live")
      .def("__repr__", [](const Space& space) {
        return std::string("<edgewise space '") + space.name() + "'>";
      });

  module.def("space_names", &edgewise::space_names);
  module.def("get_space", &edgewise::get_space, py::arg("name"),
             py::return_value_policy::reference);
}
