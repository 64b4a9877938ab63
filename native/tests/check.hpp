// A small test harness: TEST(name) { CHECK(...); } and one main. A failed check is printed and
// counted; the test goes on.
#pragma once

#include <cmath>
#include <cstdio>
#include <exception>
#include <functional>
#include <string>
#include <utility>
#include <vector>

namespace check {

struct Case {
  std::string name;
  std::function<void()> body;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

inline int& failures() {
  static int count = 0;
  return count;
}

inline bool add(const char* name, std::function<void()> body) {
  cases().push_back({name, std::move(body)});
  return true;
}

inline void fail(const char* file, int line, const std::string& what) {
  ++failures();
  std::printf("%s:%d: %s\n", file, line, what.c_str());
}

inline int run() {
  for (const Case& test : cases()) {
    const int before = failures();
    try {
      test.body();
    } catch (const std::exception& error) {
      fail("(thrown)", 0, error.what());
    }
    std::printf("%s %s\n", failures() == before ? "ok  " : "FAIL", test.name.c_str());
  }
  return failures() == 0 ? 0 : 1;
}

// The message of the exception that `body` throws; empty when it throws none.
inline std::string thrown(const std::function<void()>& body) {
  try {
    body();
  } catch (const std::exception& error) {
    return error.what();
  }
  return {};
}

}  // namespace check

#define TEST(name)                                                \
  static void test_##name();                                      \
  static const bool added_##name = check::add(#name, test_##name); \
  static void test_##name()

#define CHECK(condition)                                                \
  do {                                                                  \
    if (!(condition)) check::fail(__FILE__, __LINE__, "not so: " #condition); \
  } while (false)

#define CHECK_NEAR(actual, expected, tolerance)                                            \
  do {                                                                                     \
    const double actual_ = (actual), expected_ = (expected);                               \
    if (!(std::abs(actual_ - expected_) <= (tolerance))) {                                 \
      check::fail(__FILE__, __LINE__, #actual " is " + std::to_string(actual_) + ", not " + \
                                          std::to_string(expected_));                      \
    }                                                                                      \
  } while (false)

// `expression` must throw, and its message must hold `text`.
#define CHECK_THROWS(expression, text)                                                    \
  do {                                                                                    \
    const std::string message_ = check::thrown([&] { (void)(expression); });              \
    if (message_.find(text) == std::string::npos || message_.empty()) {                   \
      check::fail(__FILE__, __LINE__, #expression " threw '" + message_ + "', without '" + \
                                          std::string(text) + "'");                       \
    }                                                                                     \
  } while (false)

// Once in each test program.
#define CHECK_MAIN \
  int main() { return check::run(); }
