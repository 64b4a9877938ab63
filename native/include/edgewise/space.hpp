// A space of network architectures: what an architecture is called, and what a device executes to
// run it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace edgewise {

enum class KernelOp : std::uint8_t {
  kConv,           // convolution with its batch norm folded in
  kRelu,
  kBatchNorm,      // one that no convolution precedes, so it stays
  kAvgPool,
  kGlobalAvgPool,
  kIdentity,       // a skip connection
  kZero,           // the operation `none`, run as x * 0
  kAdd,            // joins two branches
  kLinear,
};

const char* kernel_op_name(KernelOp op) noexcept;

// Where in the network a kernel stands; -1 where a level does not apply.
struct Position {
  int stage = -1;
  int cell = -1;  // within the stage
  int edge = -1;  // within the cell; of an addition, the edge whose result it adds
};

// One step of a network at batch 1. Spatial sizes are those of the input; padding is "same".
struct Kernel {
  KernelOp op = KernelOp::kIdentity;
  int height = 1;
  int width = 1;
  int in_channels = 0;
  int out_channels = 0;
  int kernel = 1;  // side of the window
  int stride = 1;
  int groups = 1;
  Position position;

  int out_height() const noexcept { return (height + stride - 1) / stride; }
  int out_width() const noexcept { return (width + stride - 1) / stride; }
  double macs() const noexcept;   // multiply-accumulates; 0 unless convolution or linear
  double bytes() const noexcept;  // float32: inputs read, outputs written, weights read
};

// Thread-safety: spaces are immutable; all members may be called from any number of threads.
class Space {
 public:
  virtual ~Space() = default;

  virtual const char* name() const noexcept = 0;
  virtual std::size_t size() const noexcept = 0;         // number of architectures
  virtual std::size_t code_length() const noexcept = 0;  // codes of one architecture

  // The codes of the architecture written in `text` (length bytes of UTF-8), or false when it is
  // malformed. The fast path: allocates nothing, explains nothing.
  virtual bool try_encode(const char* text, std::size_t length,
                          std::uint8_t* codes) const noexcept = 0;

  // Says why try_encode refused `text`: Error(kArchitecture) with the position and the cure.
  [[noreturn]] virtual void explain(std::string_view text) const = 0;

  // The canonical string of code_length() codes; Error(kArgument) for a code out of range.
  virtual std::string decode(const std::uint8_t* codes) const = 0;

  // The codes of architecture `index` < size(); increasing index is lexicographic order of codes.
  virtual void codes_of(std::size_t index, std::uint8_t* codes) const noexcept = 0;

  // Whether anything flows from input to output. Otherwise the network's answer is a constant, and
  // its latency, next to nothing, says nothing of a device.
  virtual bool connected(const std::uint8_t* codes) const noexcept = 0;

  // What a runtime may execute of an architecture: the names that lower() takes, least pruned
  // first. The last is what deployment compilers do.
  virtual std::vector<std::string> semantics() const = 0;

  // The kernels, in execution order. Error(kArgument) for unknown semantics.
  virtual std::vector<Kernel> lower(const std::uint8_t* codes,
                                    std::string_view semantics) const = 0;

  // Multiply-accumulates x 2 of the kernels that lower() gives.
  double flops(const std::uint8_t* codes, std::string_view semantics) const;

  // try_encode, or explain.
  void encode(std::string_view text, std::uint8_t* codes) const;
};

// The space of that name; Error(kArgument) listing the names otherwise.
const Space& get_space(std::string_view name);
std::vector<std::string> space_names();

}  // namespace edgewise
