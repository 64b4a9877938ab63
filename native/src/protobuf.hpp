// Reads protocol buffers (https://protobuf.dev/programming-guides/encoding): one field after the
// other, without a schema and without copies. Faults are Error(kModelFile).
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <vector>

namespace edgewise {

class ProtoReader {
 public:
  explicit ProtoReader(std::string_view message) : rest_(message) {}

  // Goes to the next field; false at the end of the message.
  bool next();

  std::uint32_t field() const noexcept { return field_; }

  // The value of the field, which must be of that kind.
  std::int64_t integer() const;
  double real() const;            // a float or a double
  std::string_view bytes() const;  // a string, bytes or a message

  // Appends one number, or all those of a packed field; kMaxModelParts numbers at most.
  void append(std::vector<std::int64_t>& numbers) const;
  void append_floats(std::vector<double>& numbers) const;
  void append_doubles(std::vector<double>& numbers) const;

 private:
  enum class Wire : std::uint8_t { kVarint = 0, kFixed64 = 1, kBytes = 2, kFixed32 = 5 };

  std::uint64_t take_varint();
  std::string_view take(std::uint64_t size);
  template <typename T>
  void append_reals(std::vector<double>& numbers, Wire single) const;
  void need(Wire wire) const;

  std::string_view rest_;
  std::uint32_t field_ = 0;
  Wire wire_ = Wire::kVarint;
  std::uint64_t varint_ = 0;
  std::string_view bytes_;
};

}  // namespace edgewise
