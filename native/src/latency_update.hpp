// From a prior and timings to a belief: the closed-form update behind LatencyPrior::adapt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "edgewise/features.hpp"
#include "edgewise/latency.hpp"

namespace edgewise {

// Updates `prior` by the timings `ms` (n positive milliseconds) of `codes`, under each graph
// semantics (`features`, one each), covariance and noise level, and weighs these by evidence.
LatencyUpdate update_prior(const LatencyPriorData& prior,
                           const std::vector<std::shared_ptr<const Features>>& features,
                           const Space& space, const std::uint8_t* codes, const double* ms,
                           std::size_t n);

}  // namespace edgewise
