#include "status.hpp"

#include <algorithm>
#include <cstring>
#include <exception>
#include <new>

#include "edgewise/error.hpp"

namespace edgewise::c {
namespace {

// A buffer and no string: an error must not need memory, least of all when there is none.
constexpr std::size_t kMostBytes = 1024;
thread_local char last_error[kMostBytes] = "";

edgewise_status failed(edgewise_status status, std::string_view message) noexcept {
  const std::size_t size = std::min(message.size(), kMostBytes - 1);
  std::memcpy(last_error, message.data(), size);
  last_error[size] = '\0';
  return status;
}

edgewise_status status_of(ErrorKind kind) noexcept {
  switch (kind) {
    case ErrorKind::kArgument: return EDGEWISE_ERROR_ARGUMENT;
    case ErrorKind::kArchitecture: return EDGEWISE_ERROR_ARCHITECTURE;
    case ErrorKind::kBundle: return EDGEWISE_ERROR_BUNDLE;
    case ErrorKind::kModelFile: return EDGEWISE_ERROR_MODEL_FILE;
    case ErrorKind::kMeasurement: return EDGEWISE_ERROR_MEASUREMENT;
    case ErrorKind::kProfile: return EDGEWISE_ERROR_PROFILE;
    case ErrorKind::kStorage: return EDGEWISE_ERROR_STORAGE;
  }
  return EDGEWISE_ERROR_INTERNAL;
}

}  // namespace

edgewise_status failed_by_exception() noexcept {
  try {
    throw;
  } catch (const Error& error) {
    return failed(status_of(error.kind()), error.what());
  } catch (const StatusError& error) {
    return failed(error.status(), error.message());
  } catch (const std::bad_alloc&) {
    return failed(EDGEWISE_ERROR_OUT_OF_MEMORY, "out of memory");
  } catch (const std::exception& error) {
    return failed(EDGEWISE_ERROR_INTERNAL, error.what());
  } catch (...) {
    return failed(EDGEWISE_ERROR_INTERNAL, "an unknown exception");
  }
}

void expect(const void* pointer, const char* name) {
  if (pointer == nullptr) {
    throw Error(ErrorKind::kArgument, std::string(name) + " is NULL");
  }
}

void expect_array(const void* pointer, std::size_t n, const char* name) {
  if (n != 0) expect(pointer, name);
}

void give(std::string_view text, char* buffer, std::size_t capacity, std::size_t* length) {
  expect_array(buffer, capacity, "buffer");
  if (length != nullptr) *length = text.size();
  if (text.size() >= capacity) {
    throw StatusError(EDGEWISE_ERROR_TOO_SMALL, "the buffer of " + std::to_string(capacity) +
                                                    " bytes is too small: it needs " +
                                                    std::to_string(text.size() + 1));
  }
  std::memcpy(buffer, text.data(), text.size());
  buffer[text.size()] = '\0';
}

}  // namespace edgewise::c

extern "C" {

const char* edgewise_version(void) { return EDGEWISE_VERSION; }

const char* edgewise_last_error(void) { return edgewise::c::last_error; }

const char* edgewise_status_name(edgewise_status status) {
  switch (status) {
    case EDGEWISE_OK: return "EDGEWISE_OK";
    case EDGEWISE_ERROR_ARGUMENT: return "EDGEWISE_ERROR_ARGUMENT";
    case EDGEWISE_ERROR_ARCHITECTURE: return "EDGEWISE_ERROR_ARCHITECTURE";
    case EDGEWISE_ERROR_BUNDLE: return "EDGEWISE_ERROR_BUNDLE";
    case EDGEWISE_ERROR_PROFILE: return "EDGEWISE_ERROR_PROFILE";
    case EDGEWISE_ERROR_MEASUREMENT: return "EDGEWISE_ERROR_MEASUREMENT";
    case EDGEWISE_ERROR_NOT_CALIBRATED: return "EDGEWISE_ERROR_NOT_CALIBRATED";
    case EDGEWISE_ERROR_STORAGE: return "EDGEWISE_ERROR_STORAGE";
    case EDGEWISE_ERROR_TOO_SMALL: return "EDGEWISE_ERROR_TOO_SMALL";
    case EDGEWISE_ERROR_OUT_OF_MEMORY: return "EDGEWISE_ERROR_OUT_OF_MEMORY";
    case EDGEWISE_ERROR_MODEL_FILE: return "EDGEWISE_ERROR_MODEL_FILE";
    case EDGEWISE_ERROR_INTERNAL: return "EDGEWISE_ERROR_INTERNAL";
  }
  return "unknown";
}

}  // extern "C"
