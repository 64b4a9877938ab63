// From Python strings to operation codes: how every binding takes architectures.
#pragma once

#include <pybind11/numpy.h>
#include <pybind11/pybind11.h>

#include <cstdint>
#include <vector>

namespace edgewise {
class Space;
}

using Codes = pybind11::array_t<std::uint8_t, pybind11::array::c_style>;

// The codes, (N, code_length), of a string (N = 1) or an iterable of strings. Errors name the
// architecture that is malformed.
Codes encode(const edgewise::Space& space, const pybind11::object& architectures);

// The codes of one architecture, which must be a string.
std::vector<std::uint8_t> encode_one(const edgewise::Space& space,
                                     const pybind11::object& architecture);
