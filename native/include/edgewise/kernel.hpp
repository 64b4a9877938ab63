// What a device executes to run a network: a graph of kernels, whoever wrote the network down.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace edgewise {

enum class KernelOp : std::uint8_t {
  kConv,           // convolution with its batch norm folded in; depthwise when groups == channels
  kConvTranspose,
  kLinear,         // matrix product with weights; also a gathered row of an embedding
  kMatMul,         // matrix product of two activations
  kRelu,           // and relu6
  kHardSwish,
  kHardSigmoid,
  kSigmoid,
  kActivation,     // any other function of single elements: swish, gelu, tanh, exp, ...
  kBatchNorm,      // one that no convolution precedes, so it stays
  kLayerNorm,
  kSoftmax,
  kAvgPool,
  kMaxPool,
  kGlobalAvgPool,  // also a mean, sum or maximum over some axes
  kIdentity,       // a skip connection
  kZero,           // the operation `none`, run as x * 0
  kAdd,            // joins two branches; also subtraction
  kMul,            // also division, and the scale of squeeze-and-excitation
  kConcat,
  kSlice,          // also split and gather
  kTranspose,      // moves elements: channel shuffle, space to depth
  kReshape,        // moves nothing
  kPad,
  kResize,
  kOther,          // nothing is known of it but its sizes
};

const char* kernel_op_name(KernelOp op) noexcept;

// Where in the network a kernel stands; -1 where a level does not apply.
struct Position {
  int stage = -1;
  int cell = -1;  // within the stage
  int edge = -1;  // within the cell; of an addition, the edge whose result it adds
};

// One step of a network. What is no image has height 1 (and width the length of a sequence).
struct Kernel {
  static constexpr int kInput = -1;  // in `inputs`: the network's input; its second is -2, ...

  KernelOp op = KernelOp::kIdentity;
  KernelOp activation = KernelOp::kIdentity;  // applied to the result in the same pass, if any
  int batch = 1;
  int height = 1;        // of the first input
  int width = 1;
  int in_channels = 0;   // of all inputs together for kConcat, else of the first
  int out_height = 1;
  int out_width = 1;
  int out_channels = 0;
  int kernel_height = 1;  // of the window
  int kernel_width = 1;
  int stride = 1;
  int groups = 1;
  int element_bytes = 4;  // 4: float32, 2: float16, 1: int8
  Position position;
  // Kernels, by index in the graph, whose results it reads, or kInput; constants are left out.
  std::vector<int> inputs;

  double macs() const noexcept;          // multiply-accumulates; 0 unless a matrix is multiplied
  double weights() const noexcept;       // learnt numbers, biases left out
  double input_bytes() const noexcept;   // read, weights left out
  double output_bytes() const noexcept;  // written
  double weight_bytes() const noexcept;
  double bytes() const noexcept;         // all three
};

// The kernels of a network in the order of execution; each reads only results of earlier ones. The
// last one's result is the network's.
using KernelGraph = std::vector<Kernel>;

}  // namespace edgewise
