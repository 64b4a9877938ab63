// How the C interface ends every call: a status, and a message for this thread.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <utility>

#include "edgewise/edgewise.h"

namespace edgewise::c {

// What a call ends with when it is neither a core Error nor a bug.
class StatusError {
 public:
  StatusError(edgewise_status status, std::string message)
      : status_(status), message_(std::move(message)) {}
  edgewise_status status() const noexcept { return status_; }
  const std::string& message() const noexcept { return message_; }

 private:
  edgewise_status status_;
  std::string message_;
};

// The status of the exception that is being handled; keeps its message as this thread's last error.
edgewise_status failed_by_exception() noexcept;

// Runs `body`, which throws when it fails.
template <typename Body>
edgewise_status guarded(const Body& body) noexcept {
  try {
    body();
    return EDGEWISE_OK;
  } catch (...) {
    return failed_by_exception();
  }
}

// Throws unless `pointer` is there; `name` is the parameter's.
void expect(const void* pointer, const char* name);

// An array of `n`, which may be NULL when n is 0.
void expect_array(const void* pointer, std::size_t n, const char* name);

// Gives a string back as edgewise.h says.
void give(std::string_view text, char* buffer, std::size_t capacity, std::size_t* length);

}  // namespace edgewise::c
