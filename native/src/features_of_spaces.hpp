// The features of each space, which features.cpp gives by the space's name.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

#include "edgewise/features.hpp"

namespace edgewise {

class Space;

ExecutionShape nasbench201_execution_shape() noexcept;
// `rule`: index into the space's semantics.
std::vector<double> nasbench201_execution(std::size_t rule);
std::unique_ptr<Features> make_nasbench201_features(const double* execution);
std::vector<FeatureColumn> nasbench201_columns();

std::unique_ptr<Features> make_fbnet_features(const Space& space);
std::vector<FeatureColumn> fbnet_columns(const Space& space);

std::unique_ptr<Features> make_ofa_features(const Space& space);
std::vector<FeatureColumn> ofa_columns(const Space& space);

std::unique_ptr<Features> make_supernet_features(const Space& space);
std::vector<FeatureColumn> supernet_columns(const Space& space);

std::unique_ptr<Features> make_transformer_features();
std::vector<FeatureColumn> transformer_columns();

}  // namespace edgewise
