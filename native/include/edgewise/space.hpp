// A space of network architectures: what an architecture is called, and what a device executes to
// run it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "edgewise/kernel.hpp"

namespace edgewise {

// Thread-safety: spaces are immutable; all members may be called from any number of threads.
class Space {
 public:
  virtual ~Space() = default;

  virtual const char* name() const noexcept = 0;
  virtual std::size_t size() const noexcept = 0;         // architectures; 0: too many to list
  virtual std::size_t code_length() const noexcept = 0;  // codes of one architecture

  // The codes of the architecture written in `text` (length bytes of UTF-8), or false when it is
  // malformed. The fast path: allocates nothing, explains nothing.
  virtual bool try_encode(const char* text, std::size_t length,
                          std::uint8_t* codes) const noexcept = 0;

  // Says why try_encode refused `text`: Error(kArchitecture) with the position and the cure.
  [[noreturn]] virtual void explain(std::string_view text) const = 0;

  // The canonical string of code_length() codes; Error(kArgument) for a code out of range.
  virtual std::string decode(const std::uint8_t* codes) const = 0;

  // For each code, the values it may take, ascending. Codes drawn from these, each by itself, are
  // an architecture once canonical() has seen them.
  virtual std::vector<std::vector<std::uint8_t>> choices() const = 0;

  // The position of the first code that makes `codes` no architecture; code_length() when they
  // are one.
  virtual std::size_t fault(const std::uint8_t* codes) const noexcept = 0;

  // Why there is a fault at `position`: a sentence that names the position, its code and what it
  // may be.
  virtual std::string why(const std::uint8_t* codes, std::size_t position) const;

  // Makes codes drawn from choices() an architecture, and sets those that make no difference to
  // the network (layers that are left out) to their first choice, so that equal networks have
  // equal codes. Codes of an architecture keep their meaning. try_encode() gives canonical codes.
  virtual void canonical(std::uint8_t*) const noexcept {}

  // The codes of architecture `index` < size(); increasing index is lexicographic order of codes.
  virtual void codes_of(std::size_t, std::uint8_t*) const noexcept {}

  // Whether anything flows from input to output. Otherwise the network's answer is a constant, and
  // its latency, next to nothing, says nothing of a device.
  virtual bool connected(const std::uint8_t*) const noexcept { return true; }

  // What a runtime may execute of an architecture: the names that lower() takes, least pruned
  // first. The last is what deployment compilers do.
  virtual std::vector<std::string> semantics() const { return {"live"}; }

  // The kernels, in execution order. Error(kArgument) for unknown semantics.
  virtual KernelGraph lower(const std::uint8_t* codes, std::string_view semantics) const = 0;

  // Multiply-accumulates x 2 of the kernels that lower() gives.
  double flops(const std::uint8_t* codes, std::string_view semantics) const;

  // try_encode, or explain.
  void encode(std::string_view text, std::uint8_t* codes) const;

  // Error(kArgument) with why() unless `codes` are those of an architecture.
  void check(const std::uint8_t* codes) const;

  // The codes, count x code_length(), of `count` different architectures, each code drawn evenly
  // from its choices. The same seed gives the same on every machine. Error(kArgument) for more
  // than there are.
  std::vector<std::uint8_t> draw(std::size_t count, std::uint64_t seed) const;

 protected:
  // The place of a name in semantics(); Error(kArgument) listing them for any other.
  std::size_t index_of(std::string_view semantics) const;
};

// The space of that name; Error(kArgument) listing the names otherwise.
const Space& get_space(std::string_view name);
std::vector<std::string> space_names();

}  // namespace edgewise
