// The one exception type of the core.
#pragma once

#include <cstddef>
#include <stdexcept>
#include <string>
#include <string_view>

namespace edgewise {

// Which Python class an error becomes (edgewise.errors): the binding holds the table.
enum class ErrorKind {
  kArgument,      // a value the caller passed is unusable
  kArchitecture,  // an architecture string is malformed; the message gives the position
  kBundle,        // a bundle file is damaged, foreign or too new; the message names the file
  kModelFile,     // a network's file is damaged or cannot be lowered; the message names the file
  kMeasurement,   // a timing is no usable number of milliseconds
  kProfile,       // a saved device belongs to another space, bundle or version of this library
  kStorage,       // a file could not be written; the message names the path and the cure
};

class Error : public std::runtime_error {
 public:
  Error(ErrorKind kind, const std::string& message) : std::runtime_error(message), kind_(kind) {}
  ErrorKind kind() const noexcept { return kind_; }

 private:
  ErrorKind kind_;
};

// Text from outside, fit to be quoted in a message: one line, no control characters, at most
// `limit` bytes and "..." for the rest.
std::string printable(std::string_view text, std::size_t limit = 120);

}  // namespace edgewise
