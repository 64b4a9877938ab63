#include "codes.hpp"

#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "architecture_text.hpp"
#include "edgewise/error.hpp"
#include "edgewise/space.hpp"

namespace py = pybind11;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::Space;

namespace {

// Encodes without a std::string or a cast per item: this runs for every prediction.
void encode_item(const Space& space, PyObject* item, std::uint8_t* codes) {
  if (PyUnicode_Check(item)) {
    const std::string_view text = utf8(item);
    if (!space.try_encode(text.data(), text.size(), codes)) space.explain(text);
  } else if (PyDict_Check(item)) {
    space.encode(dict_text(item), codes);
  } else {
    throw Error(ErrorKind::kArchitecture,
                std::string("an architecture is a string or a dict, not ") + Py_TYPE(item)->tp_name);
  }
}

Codes encode_items(const Space& space, const py::object& architectures) {
  const auto items = py::reinterpret_steal<py::object>(PySequence_Fast(architectures.ptr(), ""));
  if (!items) {
    PyErr_Clear();
    throw Error(ErrorKind::kArgument, std::string("architectures are a string, a dict, a sequence "
                                                  "of them or an array of codes, not ") +
                                          Py_TYPE(architectures.ptr())->tp_name);
  }
  const py::ssize_t count = PySequence_Fast_GET_SIZE(items.ptr());
  Codes codes({count, static_cast<py::ssize_t>(space.code_length())});
  std::uint8_t* row = codes.mutable_data();
  for (py::ssize_t i = 0; i < count; ++i, row += space.code_length()) {
    try {
      encode_item(space, PySequence_Fast_GET_ITEM(items.ptr(), i), row);
    } catch (const Error& error) {
      if (count == 1) throw;
      throw Error(error.kind(), "architecture " + std::to_string(i) + ": " + error.what());
    }
  }
  return codes;
}

bool holds_integers(const py::array& array) {
  return array.dtype().kind() == 'u' || array.dtype().kind() == 'i';
}

// Error(kind) for one that no byte holds.
Codes to_bytes(const Space& space, const py::array& codes, ErrorKind kind) {
  if (codes.dtype().kind() == 'u' && codes.itemsize() == 1) return Codes::ensure(codes);
  using Wide = py::array_t<std::int64_t, py::array::c_style | py::array::forcecast>;
  const auto wide = Wide::ensure(codes);
  Codes bytes(std::vector<py::ssize_t>(codes.shape(), codes.shape() + codes.ndim()));
  std::uint8_t* const out = bytes.mutable_data();
  for (py::ssize_t i = 0; i < wide.size(); ++i) {
    const std::int64_t value = wide.data()[i];
    out[i] = static_cast<std::uint8_t>(value);
    if (out[i] == value) continue;
    const auto length = static_cast<py::ssize_t>(space.code_length());
    throw Error(kind, "row " + std::to_string(i / length) + ": " + space.name() + ": position " +
                          std::to_string(i % length) + " holds " + std::to_string(value) +
                          ", which is no code");
  }
  return bytes;
}

// Error(kArchitecture) for the first row that is no architecture.
void check_rows(const Space& space, const Codes& codes) {
  const std::uint8_t* row = codes.data();
  for (py::ssize_t i = 0; i < codes.shape(0); ++i, row += space.code_length()) {
    const std::size_t position = space.fault(row);
    if (position == space.code_length()) continue;
    throw Error(ErrorKind::kArchitecture,
                "row " + std::to_string(i) + ": " + space.why(row, position));
  }
}

// The first row that canonical() changes; the number of rows when there is none.
py::ssize_t first_not_canonical(const Space& space, const Codes& codes) {
  std::vector<std::uint8_t> copy(space.code_length());
  const std::uint8_t* row = codes.data();
  for (py::ssize_t i = 0; i < codes.shape(0); ++i, row += copy.size()) {
    std::memcpy(copy.data(), row, copy.size());
    space.canonical(copy.data());
    if (std::memcmp(copy.data(), row, copy.size()) != 0) return i;
  }
  return codes.shape(0);
}

Codes encode_array(const Space& space, const py::array& array) {
  if (array.ndim() != 2 || array.shape(1) != static_cast<py::ssize_t>(space.code_length())) {
    throw Error(ErrorKind::kArchitecture, std::string("codes of ") + space.name() +
                                              " are integers of shape (N, " +
                                              std::to_string(space.code_length()) + ")");
  }
  const Codes given = to_bytes(space, array, ErrorKind::kArchitecture);
  check_rows(space, given);
  const py::ssize_t first = first_not_canonical(space, given);
  if (first == given.shape(0)) return given;
  Codes codes({given.shape(0), given.shape(1)}, given.data());
  for (py::ssize_t i = first; i < codes.shape(0); ++i) space.canonical(codes.mutable_data(i, 0));
  return codes;
}

}  // namespace

Codes narrowed(const Space& space, const py::object& object) {
  const auto length = static_cast<py::ssize_t>(space.code_length());
  const py::array codes = py::array::ensure(object);
  if (!codes) PyErr_Clear();
  if (!codes || !holds_integers(codes) || codes.ndim() < 1 || codes.ndim() > 2 ||
      codes.shape(codes.ndim() - 1) != length) {
    throw Error(ErrorKind::kArgument,
                "codes are integers of shape (N, " + std::to_string(length) + ")");
  }
  return to_bytes(space, codes, ErrorKind::kArgument).reshape({py::ssize_t{-1}, length});
}

Codes encode(const Space& space, const py::object& architectures) {
  PyObject* const object = architectures.ptr();
  if (PyUnicode_Check(object) || PyDict_Check(object)) {
    Codes codes({py::ssize_t{1}, static_cast<py::ssize_t>(space.code_length())});
    encode_item(space, object, codes.mutable_data());
    return codes;
  }
  if (py::isinstance<py::array>(architectures)) {
    const auto array = py::reinterpret_borrow<py::array>(architectures);
    if (holds_integers(array)) return encode_array(space, array);
  }
  return encode_items(space, architectures);
}

std::vector<std::uint8_t> encode_one(const Space& space, const py::object& architecture) {
  std::vector<std::uint8_t> codes(space.code_length());
  encode_item(space, architecture.ptr(), codes.data());
  return codes;
}
