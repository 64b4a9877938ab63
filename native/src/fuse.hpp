// Joins what runtimes join before they run a network.
//
//   * an activation of several steps is one: x * sigmoid(x), x * relu6(x + 3) / 6, the erf and tanh
//     forms of GELU, mish;
//   * a normalisation of several steps (mean, difference, square, mean, root, ...) is a kLayerNorm;
//   * factors and shifts for each channel are folded into the convolution or linear layer before
//     them, or are one kBatchNorm where there is none;
//   * relu and relu6 are applied in the pass that computes their input;
//   * padding is done by the convolution or pool that reads it;
//   * reshapes beside a transpose, and reshapes of reshapes, cost nothing of their own.
//
// Operations that no result depends on are left out.
#pragma once

#include "operation.hpp"

namespace edgewise {

OperationGraph fuse(OperationGraph graph);

}  // namespace edgewise
