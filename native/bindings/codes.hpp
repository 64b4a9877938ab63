// From what Python calls an architecture to its codes: how every binding takes architectures.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

namespace edgewise {
class Space;
}

using Codes = pybind11::array_t<std::uint8_t, pybind11::array::c_style>;

// The canonical codes, (N, code_length), of one architecture (a string or a dict, N = 1), an
// iterable of them, or an integer array of codes. A contiguous uint8 array that is canonical
// already is returned as it is. Errors name the architecture that is malformed.
Codes encode(const edgewise::Space& space, const pybind11::object& architectures);

// The codes of one architecture, a string or a dict.
std::vector<std::uint8_t> encode_one(const edgewise::Space& space,
                                     const pybind11::object& architecture);

// Integer codes of shape (N, code_length) or (code_length,) as bytes, (N, code_length); no more
// is checked.
Codes narrowed(const edgewise::Space& space, const pybind11::object& codes);
