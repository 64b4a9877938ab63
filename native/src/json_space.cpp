#include "edgewise/json_space.hpp"

#include <vector>

#include "flat_json.hpp"

namespace edgewise {

bool JsonSpace::try_encode(const char* text, std::size_t length,
                           std::uint8_t* codes) const noexcept {
  TextFault ignored;
  if (!read({text, length}, codes, &ignored)) return false;
  canonical(codes);
  return true;
}

void JsonSpace::explain(std::string_view text) const {
  std::vector<std::uint8_t> codes(code_length());
  TextFault fault;
  read(text, codes.data(), &fault);
  throw_fault(name(), text, fault, form());
}

bool JsonSpace::take_values(const JsonNumber* numbers,
                            const char* (*cause_at)(std::size_t) noexcept, std::uint8_t* codes,
                            TextFault* fault) const noexcept {
  const std::size_t length = code_length();
  for (std::size_t i = 0; i < length; ++i) {
    const double value = numbers[i].value;
    const bool fits = value >= 0.0 && value <= 255.0;
    codes[i] = fits ? static_cast<std::uint8_t>(value) : 0;
    if (codes[i] != value) codes[i] = 0;  // which none may be
  }
  const std::size_t wrong = this->fault(codes);
  if (wrong == length) return true;
  *fault = {numbers[wrong].position, cause_at(wrong), ""};
  return false;
}

}  // namespace edgewise
