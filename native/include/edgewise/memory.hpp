// What a network needs of memory.
#pragma once

#include <cstdint>

#include "edgewise/kernel.hpp"

namespace edgewise {

struct Memory {
  std::int64_t peak = 0;     // bytes of activations, at the step where they are most
  std::int64_t weights = 0;  // bytes of learnt matrices; biases are left out, as in Kernel
};

// At every step, the results count that a later step or the step itself reads, its own result, and
// the inputs of the network that are still to be read. kReshape and kIdentity give their input
// another shape or name and take nothing. Error(kArgument) when a kernel reads a later one.
Memory memory(const KernelGraph& graph);

}  // namespace edgewise
