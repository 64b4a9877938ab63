#include "codes.hpp"

#include <string>
#include <string_view>
#include <vector>

#include "edgewise/error.hpp"
#include "edgewise/space.hpp"

namespace py = pybind11;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::Space;

namespace {

// The UTF-8 text of a Python string, owned by it.
std::string_view utf8(PyObject* object) {
  if (!PyUnicode_Check(object)) {
    throw Error(ErrorKind::kArchitecture, std::string("an architecture is a string, not ") +
                                              Py_TYPE(object)->tp_name);
  }
  if (PyUnicode_IS_COMPACT_ASCII(object)) {  // its own bytes are UTF-8; nothing to look up
    return {static_cast<const char*>(PyUnicode_DATA(object)),
            static_cast<std::size_t>(PyUnicode_GET_LENGTH(object))};
  }
  Py_ssize_t length = 0;
  const char* text = PyUnicode_AsUTF8AndSize(object, &length);
  if (text == nullptr) {
    PyErr_Clear();
    throw Error(ErrorKind::kArchitecture, "an architecture string holds a lone surrogate");
  }
  return {text, static_cast<std::size_t>(length)};
}

// Encodes without a std::string or a cast per item: this runs for every prediction.
void encode_items(const Space& space, PyObject* const* items, py::ssize_t count,
                  std::uint8_t* codes) {
  for (py::ssize_t i = 0; i < count; ++i, codes += space.code_length()) {
    try {
      const std::string_view text = utf8(items[i]);
      if (!space.try_encode(text.data(), text.size(), codes)) space.explain(text);
    } catch (const Error& error) {
      if (count == 1) throw;
      throw Error(error.kind(), "architecture " + std::to_string(i) + ": " + error.what());
    }
  }
}

}  // namespace

Codes encode(const Space& space, const py::object& architectures) {
  const auto length = static_cast<py::ssize_t>(space.code_length());
  if (PyUnicode_Check(architectures.ptr())) {
    Codes codes({py::ssize_t{1}, length});
    PyObject* const item = architectures.ptr();
    encode_items(space, &item, 1, codes.mutable_data());
    return codes;
  }
  const auto items = py::reinterpret_steal<py::object>(PySequence_Fast(architectures.ptr(), ""));
  if (!items) {
    PyErr_Clear();
    throw Error(ErrorKind::kArgument,
                std::string("architectures are a string or a sequence of strings, not ") +
                    Py_TYPE(architectures.ptr())->tp_name);
  }
  const py::ssize_t count = PySequence_Fast_GET_SIZE(items.ptr());
  Codes codes({count, length});
  encode_items(space, PySequence_Fast_ITEMS(items.ptr()), count, codes.mutable_data());
  return codes;
}

std::vector<std::uint8_t> encode_one(const Space& space, const py::object& architecture) {
  std::vector<std::uint8_t> codes(space.code_length());
  space.encode(utf8(architecture.ptr()), codes.data());
  return codes;
}
