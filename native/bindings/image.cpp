#include "edgewise/image.hpp"

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <string>

#include "bindings.hpp"
#include "edgewise/error.hpp"

namespace py = pybind11;
using edgewise::Error;
using edgewise::ErrorKind;

namespace {

using Bytes = py::array_t<std::uint8_t, py::array::c_style>;

std::size_t side(py::ssize_t size) {
  // A negative size becomes a huge one, which the core refuses.
  return static_cast<std::size_t>(size);
}

Bytes resize(const py::array& images, py::ssize_t height, py::ssize_t width) {
  if (images.ndim() != 4 || !py::isinstance<py::array_t<std::uint8_t>>(images)) {
    throw Error(ErrorKind::kArgument, "images to resize are uint8 of shape (N, H, W, channels)");
  }
  const auto source = py::array_t<std::uint8_t, py::array::c_style | py::array::forcecast>(images);
  const std::size_t count = side(source.shape(0));
  const std::size_t channels = side(source.shape(3));
  // Refused before a result of that size is asked for.
  if (height < 1 || width < 1 || side(height) > edgewise::kMaxImageSide ||
      side(width) > edgewise::kMaxImageSide) {
    throw Error(ErrorKind::kArgument,
                "the new height and width must be 1 to " +
                    std::to_string(edgewise::kMaxImageSide) + " pixels, not " +
                    std::to_string(height) + " and " + std::to_string(width));
  }
  Bytes resized({source.shape(0), height, width, source.shape(3)});
  const std::uint8_t* in = source.data();
  std::uint8_t* out = resized.mutable_data();
  const std::size_t in_size = side(source.shape(1)) * side(source.shape(2)) * channels;
  const std::size_t out_size = side(height) * side(width) * channels;
  py::gil_scoped_release unlocked;
  for (std::size_t i = 0; i < count; ++i) {
    edgewise::resize(in + i * in_size, side(source.shape(1)), side(source.shape(2)), channels,
                     out + i * out_size, side(height), side(width));
  }
  return resized;
}

}  // namespace

void bind_image(py::module_& module) {
  module.def("resize", &resize, py::arg("images"), py::arg("height"), py::arg("width"));
}
