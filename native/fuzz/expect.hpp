// What a fuzz target asks beside "no crash": a broken promise ends the program, and so is found.
#pragma once

#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <string>

#include "edgewise/error.hpp"

#define EXPECT(condition)                                                      \
  do {                                                                         \
    if (!(condition)) {                                                        \
      std::fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                            \
    }                                                                          \
  } while (false)

namespace edgewise::fuzz {

// Runs `body`, which may throw an Error of one of `kinds` with a message of one line, and nothing
// else. True when it threw none.
template <typename Body>
bool allowed(std::initializer_list<ErrorKind> kinds, const Body& body) {
  try {
    body();
    return true;
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT(!message.empty() && message.find('\n') == std::string::npos);
    bool known = false;
    for (const ErrorKind kind : kinds) known = known || kind == error.kind();
    if (!known) std::fprintf(stderr, "kind %d: %s\n", static_cast<int>(error.kind()), error.what());
    EXPECT(known);
    return false;
  }
}

}  // namespace edgewise::fuzz
