// Regions of an operation graph that compute one function of one value.
#pragma once

#include <vector>

#include "operation.hpp"

namespace edgewise {

struct Region {
  std::vector<int> members;  // the exit first, then descending
  int entry = Kernel::kInput;
  KernelOp op = KernelOp::kIdentity;  // what it computes; kIdentity: no region was found
};

// The region that ends in operation `exit` and whose other members nothing else reads: an
// activation or a normalisation. `readers[i]` counts the readings of operation i's result.
Region find_region(const std::vector<Operation>& operations, const std::vector<int>& readers,
                   int exit);

}  // namespace edgewise
