// Reads an object of numbers and lists of numbers: how the spaces of
// `edgewise/json_space.hpp` write an architecture. Keys come in any order, with spaces or without. Allocates nothing, so that it can
// run for every prediction; a fault is a place and a cause.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace edgewise {

struct JsonNumber {
  double value = 0.0;
  std::size_t position = 0;  // of its first character
};

// A key and where its numbers go.
struct JsonField {
  enum Form { kNumber, kList, kNull };  // kNull: may be left out

  const char* key;
  Form form;
  JsonNumber* numbers = nullptr;
  std::size_t count = 1;
};

struct TextFault {
  std::size_t position = 0;
  const char* cause = "";
  const char* key = "";  // that it concerns, if any
};

// Fills every field from `text`, which holds nothing else; false and the first fault when it does
// not. At most 32 fields.
bool read_flat_json(std::string_view text, const JsonField* fields, std::size_t count,
                    TextFault* fault) noexcept;

// Error(kArchitecture): "<space>: at character 3: <cause> in '<text>'; the form is <form>".
[[noreturn]] void throw_fault(const char* space, std::string_view text, const TextFault& fault,
                              const char* form);

// Appends `key` and `count` values of one digit each, commas between.
void append_values(std::string* text, const char* key, const std::uint8_t* values, int count);

}  // namespace edgewise
