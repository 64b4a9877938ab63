// A space whose architectures are written as one JSON object of numbers and lists of numbers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "edgewise/space.hpp"

namespace edgewise {

struct JsonNumber;
struct TextFault;

class JsonSpace : public Space {
 public:
  bool try_encode(const char* text, std::size_t length, std::uint8_t* codes) const noexcept final;
  [[noreturn]] void explain(std::string_view text) const final;

 protected:
  // How an architecture is written, for messages.
  virtual const char* form() const noexcept = 0;

  // Reads codes that need not be canonical yet; false and the fault when there is one. Allocates
  // nothing.
  virtual bool read(std::string_view text, std::uint8_t* codes, TextFault* fault) const noexcept = 0;

  // Takes code_length() numbers that are codes themselves; false and the fault, with what
  // `cause_at` says of its position, when they are no architecture.
  bool take_values(const JsonNumber* numbers, const char* (*cause_at)(std::size_t) noexcept,
                   std::uint8_t* codes, TextFault* fault) const noexcept;
};

}  // namespace edgewise
