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
  // Overwrites `row` with the features of `codes` (Space::code_length() of them).
  virtual void row(const std::uint8_t* codes, FeatureRow& row) const noexcept = 0;
};

// Shape of the execution table of `space`: (patterns, positions). An architecture falls into one
// pattern; the table then says which share of the operation at each position is executed.
struct ExecutionShape {
  std::size_t patterns;
  std::size_t positions;
};
ExecutionShape execution_shape(const Space& space);

// The table of graph semantics that lower() knows by name: ones and zeros, row-major.
std::vector<double> execution_table(const Space& space, const std::string& semantics);

// The features of `space` under an execution table, which is copied.
std::unique_ptr<Features> make_features(const Space& space, const double* execution);

// What each column stands for, e.g. "nor_conv_3x3@1<-0"; the last is "network": all that every
// architecture of the space has.
std::vector<std::string> feature_names(const Space& space);

}  // namespace edgewise
