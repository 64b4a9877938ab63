// From a prior and timings to a belief: the closed-form update behind LatencyPrior::adapt.
#pragma once

#include <vector>

#include "edgewise/latency.hpp"
#include "latency_math.hpp"

namespace edgewise {

// Features under one graph semantics.
struct FeatureView {
  Matrix timed;   // (n, P) of what was timed
  Matrix probes;  // (m, P) of what the shape of errors is looked at on
};

// Updates `prior` by the timings `ms` (n positive milliseconds) under each graph semantics (`views`,
// one each), kind of device and noise level, and weighs these by evidence. The terms of the belief
// come without their features. `misfit` (n) are relative standard deviations of what costs leave
// unexplained of each that was timed, beside the noise; null: nothing.
LatencyUpdate update_prior(const LatencyPriorData& prior, std::vector<FeatureView> views,
                           const double* ms, const double* misfit = nullptr);

}  // namespace edgewise
