#include "protobuf.hpp"

#include <cstring>
#include <string>

#include "model_value.hpp"

namespace edgewise {
namespace {

[[noreturn]] void damaged() { fail_model("truncated, or damaged: a field runs past its message"); }

template <typename T>
void push(std::vector<T>& numbers, T number) {
  if (numbers.size() == kMaxModelParts) fail_model("a list of too many numbers");
  numbers.push_back(number);
}

template <typename T>
double real_at(std::string_view bytes, std::size_t place) {
  T value;
  std::memcpy(&value, bytes.data() + place, sizeof(T));
  return static_cast<double>(value);
}

}  // namespace

bool ProtoReader::next() {
  if (rest_.empty()) return false;
  const std::uint64_t tag = take_varint();
  field_ = static_cast<std::uint32_t>(tag >> 3);
  wire_ = static_cast<Wire>(tag & 7);
  if (field_ == 0 || tag >> 32 != 0) fail_model("damaged: a field of number 0, or none");
  switch (wire_) {
    case Wire::kVarint: varint_ = take_varint(); return true;
    case Wire::kFixed64: bytes_ = take(8); return true;
    case Wire::kFixed32: bytes_ = take(4); return true;
    case Wire::kBytes: bytes_ = take(take_varint()); return true;
  }
  fail_model("damaged: a field of an unknown wire type");
}

std::uint64_t ProtoReader::take_varint() {
  std::uint64_t value = 0;
  for (unsigned shift = 0; shift < 64; shift += 7) {
    if (rest_.empty()) damaged();
    const auto byte = static_cast<std::uint8_t>(rest_.front());
    rest_.remove_prefix(1);
    value |= static_cast<std::uint64_t>(byte & 0x7f) << shift;
    if (byte < 0x80) return value;
  }
  damaged();
}

std::string_view ProtoReader::take(std::uint64_t size) {
  if (size > rest_.size()) damaged();
  const std::string_view taken = rest_.substr(0, static_cast<std::size_t>(size));
  rest_.remove_prefix(static_cast<std::size_t>(size));
  return taken;
}

void ProtoReader::need(Wire wire) const {
  if (wire_ != wire) {
    fail_model("damaged: field " + std::to_string(field_) + " of a message has another type");
  }
}

std::int64_t ProtoReader::integer() const {
  need(Wire::kVarint);
  return static_cast<std::int64_t>(varint_);
}

double ProtoReader::real() const {
  if (wire_ == Wire::kFixed64) return real_at<double>(bytes_, 0);
  need(Wire::kFixed32);
  return real_at<float>(bytes_, 0);
}

std::string_view ProtoReader::bytes() const {
  need(Wire::kBytes);
  return bytes_;
}

void ProtoReader::append(std::vector<std::int64_t>& numbers) const {
  if (wire_ == Wire::kVarint) return push(numbers, integer());
  ProtoReader packed(bytes());
  while (!packed.rest_.empty()) {
    push(numbers, static_cast<std::int64_t>(packed.take_varint()));
  }
}

template <typename T>
void ProtoReader::append_reals(std::vector<double>& numbers, Wire single) const {
  if (wire_ == single) return push(numbers, real());
  const std::string_view packed = bytes();
  if (packed.size() % sizeof(T) != 0) damaged();
  for (std::size_t i = 0; i < packed.size(); i += sizeof(T)) push(numbers, real_at<T>(packed, i));
}

void ProtoReader::append_floats(std::vector<double>& numbers) const {
  append_reals<float>(numbers, Wire::kFixed32);
}

void ProtoReader::append_doubles(std::vector<double>& numbers) const {
  append_reals<double>(numbers, Wire::kFixed64);
}

}  // namespace edgewise
