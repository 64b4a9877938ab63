#include "architecture_text.hpp"

#include "edgewise/error.hpp"

namespace py = pybind11;
using edgewise::Error;
using edgewise::ErrorKind;

namespace {

[[noreturn]] void refuse(const std::string& what) {
  throw Error(ErrorKind::kArchitecture, "in an architecture's dict, " + what);
}

void append_number(std::string* text, PyObject* value, std::string_view key) {
  // Integers, and numpy's, as they are; floats as repr writes them.
  const auto number = py::reinterpret_steal<py::object>(
      PyIndex_Check(value) ? PyNumber_Index(value) : PyNumber_Float(value));
  const bool text_like = PyUnicode_Check(value) || PyBytes_Check(value);
  if (!number || text_like || PyBool_Check(value)) {
    PyErr_Clear();
    refuse("'" + edgewise::printable(key) + "' holds a " + Py_TYPE(value)->tp_name +
           ", not a number");
  }
  text->append(utf8(py::repr(number).ptr()));
}

void append_value(std::string* text, PyObject* value, std::string_view key) {
  if (value == Py_None) {
    *text += "null";
    return;
  }
  // An array without dimensions looks like a sequence until it is asked for its items.
  const auto items = py::reinterpret_steal<py::object>(
      PySequence_Check(value) != 0 && !PyUnicode_Check(value) && !PyBytes_Check(value)
          ? PySequence_Fast(value, "")
          : nullptr);
  if (!items) {
    PyErr_Clear();
    append_number(text, value, key);
    return;
  }
  for (py::ssize_t i = 0; i < PySequence_Fast_GET_SIZE(items.ptr()); ++i) {
    *text += i == 0 ? '[' : ',';
    append_number(text, PySequence_Fast_GET_ITEM(items.ptr(), i), key);
  }
  *text += PySequence_Fast_GET_SIZE(items.ptr()) == 0 ? "[]" : "]";
}

}  // namespace

std::string_view utf8(PyObject* string) {
  if (PyUnicode_IS_COMPACT_ASCII(string)) {  // its own bytes are UTF-8; nothing to look up
    return {static_cast<const char*>(PyUnicode_DATA(string)),
            static_cast<std::size_t>(PyUnicode_GET_LENGTH(string))};
  }
  Py_ssize_t length = 0;
  const char* text = PyUnicode_AsUTF8AndSize(string, &length);
  if (text == nullptr) {
    PyErr_Clear();
    throw Error(ErrorKind::kArchitecture, "an architecture string holds a lone surrogate");
  }
  return {text, static_cast<std::size_t>(length)};
}

std::string dict_text(PyObject* dict) {
  std::string text = "{";
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  Py_ssize_t at = 0;
  while (PyDict_Next(dict, &at, &key, &value) != 0) {
    if (!PyUnicode_Check(key)) refuse(std::string("a key is a ") + Py_TYPE(key)->tp_name);
    const std::string_view name = utf8(key);
    if (text.size() > 1) text += ',';
    text += '"';
    text += name;
    text += "\":";
    append_value(&text, value, name);
  }
  return text + '}';
}
