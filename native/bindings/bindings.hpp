// Each file of this folder binds one header of the core.
#pragma once

#include <pybind11/pybind11.h>

void bind_bundle(pybind11::module_& module);
void bind_kernel(pybind11::module_& module);
void bind_space(pybind11::module_& module);
void bind_model_file(pybind11::module_& module);
void bind_latency(pybind11::module_& module);
void bind_network_latency(pybind11::module_& module);
void bind_image(pybind11::module_& module);
void bind_prototypes(pybind11::module_& module);
void bind_nearest(pybind11::module_& module);
