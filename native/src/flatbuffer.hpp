// Reads flatbuffers (https://flatbuffers.dev/internals): every offset is checked when it is
// followed, so that no file makes it read outside. Faults are Error(kModelFile).
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <type_traits>

namespace edgewise {

class FlatBytes {
 public:
  FlatBytes(const std::uint8_t* data, std::size_t size) : data_(data), size_(size) {}

  std::size_t size() const noexcept { return size_; }
  const std::uint8_t* at(std::size_t place, std::size_t bytes) const {
    if (place > size_ || bytes > size_ - place) fail();
    return data_ + place;
  }

  template <typename T>
  T read(std::size_t place) const {
    static_assert(std::is_arithmetic_v<T>);
    T value;
    std::memcpy(&value, at(place, sizeof(T)), sizeof(T));
    return value;
  }

  // Where the offset that stands at `place` leads.
  std::size_t follow(std::size_t place) const {
    const auto offset = read<std::uint32_t>(place);
    if (offset > size_ - place) fail();
    return place + offset;
  }

  // The length of the vector at `place`, whose items of `bytes` each all lie in the file.
  std::size_t length(std::size_t place, std::size_t bytes) const {
    const auto count = read<std::uint32_t>(place);
    if (count > (size_ - place - 4) / bytes) fail();
    return count;
  }

  [[noreturn]] static void fail();

 private:
  const std::uint8_t* data_;
  std::size_t size_;
};

class FlatTable;

// A vector of numbers.
template <typename T>
class FlatNumbers {
 public:
  FlatNumbers() = default;
  FlatNumbers(FlatBytes bytes, std::size_t place)
      : size_(bytes.length(place, sizeof(T))), data_(bytes.at(place + 4, size_ * sizeof(T))) {}

  std::size_t size() const noexcept { return size_; }
  const std::uint8_t* data() const noexcept { return data_; }
  T operator[](std::size_t i) const {
    if (i >= size_) FlatBytes::fail();
    T value;
    std::memcpy(&value, data_ + i * sizeof(T), sizeof(T));
    return value;
  }

 private:
  std::size_t size_ = 0;
  const std::uint8_t* data_ = nullptr;
};

// A vector of tables.
class FlatTables {
 public:
  FlatTables() = default;
  FlatTables(FlatBytes bytes, std::size_t place);

  std::size_t size() const noexcept { return size_; }
  FlatTable operator[](std::size_t i) const;

 private:
  FlatBytes bytes_{nullptr, 0};
  std::size_t first_ = 0;
  std::size_t size_ = 0;
};

// A table; a field is named by its number in the schema. What is absent has its default.
class FlatTable {
 public:
  FlatTable(FlatBytes bytes, std::size_t place);
  static FlatTable root(FlatBytes bytes) { return {bytes, bytes.follow(0)}; }

  template <typename T>
  T number(unsigned field, T absent) const {
    const std::size_t place = find(field);
    return place == 0 ? absent : bytes_.read<T>(place);
  }

  template <typename T>
  FlatNumbers<T> numbers(unsigned field) const {
    const std::size_t place = find(field);
    return place == 0 ? FlatNumbers<T>() : FlatNumbers<T>(bytes_, bytes_.follow(place));
  }

  std::string_view text(unsigned field) const;
  std::optional<FlatTable> table(unsigned field) const;
  FlatTables tables(unsigned field) const;

 private:
  std::size_t find(unsigned field) const;  // where the field stands; 0 when it is absent

  FlatBytes bytes_;
  std::size_t place_;
  std::size_t fields_ = 0;  // where the list of fields stands
  std::size_t fields_bytes_ = 0;
};

}  // namespace edgewise
