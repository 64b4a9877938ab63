#include "flatbuffer.hpp"

#include "model_value.hpp"

namespace edgewise {

void FlatBytes::fail() { fail_model("truncated, or damaged: an offset leads out of the file"); }

FlatTables::FlatTables(FlatBytes bytes, std::size_t place)
    : bytes_(bytes), first_(place + 4), size_(bytes.length(place, 4)) {}

FlatTable FlatTables::operator[](std::size_t i) const {
  if (i >= size_) FlatBytes::fail();
  return {bytes_, bytes_.follow(first_ + 4 * i)};
}

FlatTable::FlatTable(FlatBytes bytes, std::size_t place) : bytes_(bytes), place_(place) {
  // The list of fields lies this far before the table, or behind it when negative.
  const std::int64_t back = bytes_.read<std::int32_t>(place);
  const std::int64_t fields = static_cast<std::int64_t>(place) - back;
  if (fields < 0) FlatBytes::fail();
  fields_ = static_cast<std::size_t>(fields);
  fields_bytes_ = bytes_.read<std::uint16_t>(fields_);
  bytes_.at(fields_, fields_bytes_);
}

std::size_t FlatTable::find(unsigned field) const {
  constexpr std::size_t kHeader = 4;  // the sizes of the list and of the table
  const std::size_t entry = kHeader + 2 * std::size_t{field};
  if (entry + 2 > fields_bytes_) return 0;
  const auto offset = bytes_.read<std::uint16_t>(fields_ + entry);
  return offset == 0 ? 0 : place_ + offset;
}

std::string_view FlatTable::text(unsigned field) const {
  const auto characters = numbers<std::uint8_t>(field);
  return {reinterpret_cast<const char*>(characters.data()), characters.size()};
}

std::optional<FlatTable> FlatTable::table(unsigned field) const {
  const std::size_t place = find(field);
  if (place == 0) return std::nullopt;
  return FlatTable(bytes_, bytes_.follow(place));
}

FlatTables FlatTable::tables(unsigned field) const {
  const std::size_t place = find(field);
  return place == 0 ? FlatTables() : FlatTables(bytes_, bytes_.follow(place));
}

}  // namespace edgewise
