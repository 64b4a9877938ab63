// The text of an architecture that Python holds as a string or a dict.
#pragma once

#include <pybind11/pybind11.h>

#include <string>
#include <string_view>

// The UTF-8 text of a Python string, owned by it.
std::string_view utf8(PyObject* string);

// A dict of numbers, lists of numbers (arrays too) and None as JSON, to be read by the space.
std::string dict_text(PyObject* dict);
