#include "flat_json.hpp"

#include <algorithm>
#include <cstdint>
#include <string>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

class Reader {
 public:
  Reader(std::string_view text, TextFault* fault) noexcept : text_(text), fault_(fault) {}

  bool object(const JsonField* fields, std::size_t count) noexcept;

 private:
  bool member(const JsonField* fields, std::size_t count, std::uint32_t* seen) noexcept;
  const JsonField* key(const JsonField* fields, std::size_t count) noexcept;
  bool value(const JsonField& field) noexcept;
  bool list(const JsonField& field) noexcept;
  bool number(JsonNumber* out) noexcept;
  double digits() noexcept;  // of a whole number, as many as there are

  void skip_spaces() noexcept {
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t' || text_[at_] == '\n' ||
                                  text_[at_] == '\r')) {
      ++at_;
    }
  }
  char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
  bool is_digit() const noexcept { return peek() >= '0' && peek() <= '9'; }

  // Steps over `token` and the spaces before it.
  bool take(char token) noexcept {
    skip_spaces();
    if (peek() != token) return false;
    ++at_;
    return true;
  }
  bool fail(const char* cause, std::size_t position) noexcept {
    *fault_ = {position, cause, key_};
    return false;
  }
  bool fail(const char* cause) noexcept {
    return fail(at_ < text_.size() ? cause : "the text ends too early", at_);
  }

  std::string_view text_;
  TextFault* fault_;
  std::size_t at_ = 0;
  const char* key_ = "";  // whose value is being read
};

bool Reader::object(const JsonField* fields, std::size_t count) noexcept {
  if (!take('{')) return fail("expected '{'");
  std::uint32_t seen = 0;
  if (!take('}')) {
    do {
      if (!member(fields, count, &seen)) return false;
    } while (take(','));
    if (!take('}')) return fail("expected ',' or '}'");
  }
  for (std::size_t i = 0; i < count; ++i) {
    if (((seen >> i) & 1) != 0 || fields[i].form == JsonField::kNull) continue;
    key_ = fields[i].key;
    return fail("a key is missing", at_ - 1);
  }
  skip_spaces();
  return at_ == text_.size() || fail("unexpected text after the end");
}

bool Reader::member(const JsonField* fields, std::size_t count, std::uint32_t* seen) noexcept {
  skip_spaces();
  const std::size_t start = at_;
  const JsonField* const field = key(fields, count);
  if (field == nullptr) return false;
  key_ = field->key;
  const std::uint32_t bit = std::uint32_t{1} << (field - fields);
  if ((*seen & bit) != 0) return fail("a key is there twice", start);
  *seen |= bit;
  if (!take(':')) return fail("expected ':'");
  if (!value(*field)) return false;
  key_ = "";
  return true;
}

const JsonField* Reader::key(const JsonField* fields, std::size_t count) noexcept {
  const std::size_t start = at_;
  const std::size_t end = peek() == '"' ? text_.find('"', at_ + 1) : std::string_view::npos;
  if (end == std::string_view::npos) {
    fail("expected a key in double quotes");
    return nullptr;
  }
  const std::string_view name = text_.substr(at_ + 1, end - at_ - 1);
  for (std::size_t i = 0; i < count; ++i) {
    if (name != fields[i].key) continue;
    at_ = end + 1;
    return &fields[i];
  }
  fail("unknown key", start);
  return nullptr;
}

bool Reader::value(const JsonField& field) noexcept {
  skip_spaces();
  switch (field.form) {
    case JsonField::kNumber: return number(field.numbers);
    case JsonField::kList: return list(field);
    case JsonField::kNull: break;
  }
  if (text_.substr(at_, 4) != "null") return fail("expected null");
  at_ += 4;
  return true;
}

bool Reader::list(const JsonField& field) noexcept {
  if (!take('[')) return fail("expected a list");
  for (std::size_t i = 0; i < field.count; ++i) {
    if (i > 0 && !take(',')) {
      return fail(peek() == ']' ? "the list is too short" : "expected ',' or ']'");
    }
    skip_spaces();
    if (peek() == ']') return fail("the list is too short");
    if (!number(&field.numbers[i])) return false;
  }
  if (take(']')) return true;
  return fail(peek() == ',' ? "the list is too long" : "expected ']'");
}

double Reader::digits() noexcept {
  double value = 0.0;
  for (; is_digit(); ++at_) value = 10.0 * value + (text_[at_] - '0');
  return value;
}

// Precise to a few parts in 10^15, which suffices: what is read is rounded to a grid.
bool Reader::number(JsonNumber* out) noexcept {
  const std::size_t start = at_;
  const bool negative = peek() == '-';
  if (negative) ++at_;
  if (!is_digit()) return fail("expected a number", start);
  double value = digits();
  if (peek() == '.') {
    ++at_;
    if (!is_digit()) return fail("expected a digit");
    for (double unit = 0.1; is_digit(); unit *= 0.1, ++at_) value += unit * (text_[at_] - '0');
  }
  if (peek() == 'e' || peek() == 'E') {
    ++at_;
    const bool shrinks = peek() == '-';
    if (shrinks || peek() == '+') ++at_;
    if (!is_digit()) return fail("expected a digit");
    const double power = std::min(digits(), 400.0);  // beyond, it is 0 or infinite anyway
    for (int i = 0; i < static_cast<int>(power); ++i) value *= shrinks ? 0.1 : 10.0;
  }
  *out = {negative ? -value : value, start};
  return true;
}

}  // namespace

bool read_flat_json(std::string_view text, const JsonField* fields, std::size_t count,
                    TextFault* fault) noexcept {
  return Reader(text, fault).object(fields, count);
}

void throw_fault(const char* space, std::string_view text, const TextFault& fault,
                 const char* form) {
  const std::string concerned =
      *fault.key == '\0' ? std::string() : " ('" + std::string(fault.key) + "')";
  throw Error(ErrorKind::kArchitecture, std::string(space) + ": at character " +
                                            std::to_string(fault.position) + ": " + fault.cause +
                                            concerned + " in '" + printable(text) +
                                            "'; the form is " + form);
}

void append_values(std::string* text, const char* key, const std::uint8_t* values, int count) {
  *text += key;
  for (int i = 0; i < count; ++i) {
    if (i > 0) *text += ',';
    *text += static_cast<char>('0' + values[i]);
  }
}

}  // namespace edgewise
