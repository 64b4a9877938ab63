// The bundle reader: any bytes, and the same bytes with the digest that their header asks for.
#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "edgewise/bundle.hpp"
#include "edgewise/bundle_reference.hpp"
#include "edgewise/sha256.hpp"
#include "expect.hpp"
#include "safetensors.hpp"

namespace {

using edgewise::Bundle;
using edgewise::DType;
using edgewise::ErrorKind;
using edgewise::Tensor;
using edgewise::fuzz::allowed;
using nlohmann::json;

constexpr std::size_t kLength = 8;

void read(const std::string& bytes) {
  allowed({ErrorKind::kBundle}, [&] {
    const auto bundle = Bundle::from_bytes(bytes.data(), bytes.size(), "file");
    EXPECT(bundle->file_bytes() == bytes.size());
    EXPECT(edgewise::fingerprint(*bundle).size() == 16);
    std::size_t stored = 0;
    for (const std::string& name : bundle->names()) {
      EXPECT(bundle->contains(name));
      (void)bundle->deflated(name);
      allowed({ErrorKind::kBundle}, [&] {
        const Tensor& tensor = bundle->tensor(name);
        EXPECT(reinterpret_cast<std::uintptr_t>(tensor.data) % 64 == 0 || tensor.bytes == 0);
        EXPECT(tensor.elements() * edgewise::item_size(tensor.dtype) == tensor.bytes);
      });
      stored += bundle->stored_bytes(name);
    }
    EXPECT(stored <= bytes.size());
    bundle->verify();
  });
}

// An unsigned number of the header; false for what is none.
bool number(const json& value, std::size_t& out) {
  if (!value.is_number_unsigned()) return false;
  out = value.get<std::size_t>();
  return true;
}

bool tensor_from(const std::string& name, const json& entry, const std::uint8_t* data,
                 std::size_t size, Tensor& tensor) {
  if (!entry.is_object() || !entry.contains("dtype") || !entry["dtype"].is_string() ||
      !entry.contains("shape") || !entry["shape"].is_array() || !entry.contains("data_offsets") ||
      !entry["data_offsets"].is_array() || entry["data_offsets"].size() != 2) {
    return false;
  }
  std::size_t begin = 0;
  std::size_t end = 0;
  if (!number(entry["data_offsets"][0], begin) || !number(entry["data_offsets"][1], end) ||
      begin > end || end > size) {
    return false;
  }
  for (int i = 0; i <= static_cast<int>(DType::kF64); ++i) {
    const auto dtype = static_cast<DType>(i);
    if (entry["dtype"] == edgewise::dtype_name(dtype)) tensor.dtype = dtype;
  }
  for (const json& item : entry["shape"]) {
    std::size_t length = 0;
    if (!number(item, length)) return false;
    tensor.shape.push_back(length);
  }
  tensor.name = name;
  tensor.data = data + begin;
  tensor.bytes = end - begin;
  return true;
}

// The same bundle with right digests, as far as its header can be understood; false if not at all.
bool resealed(const std::string& bytes, std::string& out) {
  if (bytes.size() < kLength) return false;
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLength; ++i) {
    length |= std::uint64_t{static_cast<unsigned char>(bytes[i])} << (8 * i);
  }
  if (length > bytes.size() - kLength) return false;
  const auto size = static_cast<std::size_t>(length);
  json header = json::parse(bytes.substr(kLength, size), nullptr, false);
  if (!header.is_object() || !header.contains("__metadata__") ||
      !header["__metadata__"].is_object() || !header["__metadata__"].contains("edgewise") ||
      !header["__metadata__"]["edgewise"].is_string()) {
    return false;
  }
  const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data()) + kLength + size;
  std::vector<Tensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    Tensor tensor;
    if (name == "__metadata__") continue;
    if (!tensor_from(name, entry, data, bytes.size() - kLength - size, tensor)) return false;
    tensors.push_back(std::move(tensor));
  }
  edgewise::sort_in_file_order(tensors);
  std::string manifest = header["__metadata__"]["edgewise"].get<std::string>();
  json parsed = json::parse(manifest, nullptr, false);
  if (parsed.is_object() && parsed.contains("sha256") && parsed["sha256"].is_object()) {
    for (const Tensor& tensor : tensors) {
      if (!parsed["sha256"].contains(tensor.name)) continue;
      parsed["sha256"][tensor.name] = edgewise::sha256_hex(tensor.data, tensor.bytes);
    }
    manifest = parsed.dump(-1, ' ', true, json::error_handler_t::replace);
  }
  header["__metadata__"]["edgewise"] = manifest;
  header["__metadata__"]["edgewise.sha256"] = edgewise::table_digest(manifest, tensors, data);
  std::string text = header.dump(-1, ' ', true, json::error_handler_t::replace);
  while ((kLength + text.size()) % 64 != 0) text += ' ';
  out.clear();
  for (std::size_t i = 0; i < kLength; ++i) {
    out += static_cast<char>(std::uint64_t{text.size()} >> (8 * i));
  }
  out += text + bytes.substr(kLength + size);
  return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  read(bytes);
  std::string sealed;
  if (resealed(bytes, sealed)) read(sealed);
  return 0;
}
