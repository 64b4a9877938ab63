// What a device is charged for: an architecture as a sparse vector of costs it incurs.
//
// A Features object is one hypothesis about graph semantics, that is about which operations of an
// architecture a runtime executes. Latency is the same additive function of all of them:
//   ms = sum over columns of feature x cost.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "edgewise/kernel.hpp"

namespace edgewise {

class Space;

// The non-zero features of one architecture.
struct FeatureRow {
  static constexpr int kCapacity = 64;
  int size = 0;
  std::uint16_t column[kCapacity];
  double value[kCapacity];

  void add(int at, double amount) noexcept {
    column[size] = static_cast<std::uint16_t>(at);
    value[size++] = amount;
  }
};

// Thread-safety: immutable after construction.
class Features {
 public:
  virtual ~Features() = default;
  virtual std::size_t columns() const noexcept = 0;
  // Overwrites `row` with the features of `codes` (Space::code_length() of them), canonical ones;
  // no column occurs twice.
  virtual void row(const std::uint8_t* codes, FeatureRow& row) const noexcept = 0;
};

// Shape of the execution table of `space`: (patterns, positions). An architecture falls into one
// pattern; the table then says which share of the operation at each position is executed. (0, 0)
// where every runtime executes the same.
struct ExecutionShape {
  std::size_t patterns;
  std::size_t positions;
};
ExecutionShape execution_shape(const Space& space);

// The table of graph semantics that lower() knows by name: ones and zeros, row-major.
std::vector<double> execution_table(const Space& space, const std::string& semantics);

// The features of `space` under an execution table, which is copied (null where there is none).
std::unique_ptr<Features> make_features(const Space& space, const double* execution);

enum class FeatureKind : std::uint8_t {
  kCount,    // how often the column's part of a network occurs
  kSize,     // the same, each by its multiply-accumulates relative to those at a middle resolution
  kNetwork,  // what every architecture of the space has
};

// What a column stands for.
struct FeatureColumn {
  std::string name;  // e.g. "nor_conv_3x3@1<-0"; "network" is what nothing else accounts for
  FeatureKind kind;
  KernelGraph kernels;  // of the part, at a middle resolution; empty where they are of many sizes
};
std::vector<FeatureColumn> feature_columns(const Space& space);

}  // namespace edgewise
