// One step of a model file before neighbours are fused: a kernel, and what fusing must know of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgewise/kernel.hpp"

namespace edgewise {

// What an addition or a product combines its input with, when that is no second input.
enum class Operand : std::uint8_t {
  kInput,     // another result
  kScalar,    // one number
  kChannels,  // a number for each channel, as a bias or a batch norm
  kTensor,    // a larger constant
};

struct Operation {
  Kernel kernel;
  Operand operand = Operand::kInput;
  bool bounded = false;  // of a kRelu: has an upper limit, as relu6
  bool root = false;     // of a kActivation: a square root or its inverse, as normalisations have
  bool mean = false;     // of a kGlobalAvgPool: a mean or a sum, as normalisations have
  std::string unknown;   // of a kOther: the operator's name
};

// The operations of a model, in order of execution, and which of them compute its results.
struct OperationGraph {
  std::vector<Operation> operations;
  std::vector<int> outputs;
};

}  // namespace edgewise
