// What each operator of TFLite is among the kernels.
#pragma once

#include <cstdint>

#include "edgewise/kernel.hpp"

namespace edgewise {

// How an operator's sizes are found.
enum class TfliteForm : std::uint8_t {
  kUnknown,  // nothing is known but the sizes
  kConstant,  // gives sizes, which are constants here
  kConv,
  kDepthwise,
  kConv3d,
  kTransposeConv,
  kPool,
  kFullyConnected,
  kBatchMatMul,
  kJoin,    // of two inputs, or of one and a constant
  kClamp,   // the same, a relu when with a constant
  kReduce,
  kSoftmax,
  kTranspose,
  kGather,
  kSplit,   // a slice for each output
  kMany,    // reads all inputs alike
  kSingle,  // acts on one input; others are parameters
};

struct TfliteRule {
  TfliteForm form = TfliteForm::kUnknown;
  KernelOp op = KernelOp::kOther;
  int activation = -1;   // the field of the options with the fused activation
  bool bounded = false;  // a relu with an upper limit
  bool root = false;     // a square root or its inverse
  bool mean = false;     // a mean or a sum
  bool power = false;    // a root if its exponent says so
};

TfliteRule tflite_rule(int code) noexcept;

}  // namespace edgewise
