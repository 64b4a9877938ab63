// Reading a prior from a bundle: one F64 tensor a field, names as U8 text.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "edgewise/bundle.hpp"
#include "edgewise/latency.hpp"

namespace edgewise {

// The tensors whose names start with `prefix`; Error(kBundle) naming what is missing.
LatencyPriorData load_prior(const Bundle& bundle, const std::string& prefix);

// The `count` numbers of an F64 tensor; Error(kBundle) otherwise.
std::vector<double> bundle_numbers(const Bundle& bundle, const std::string& name,
                                   std::size_t count);

}  // namespace edgewise
