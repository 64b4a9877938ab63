#include "safetensors.hpp"

#include <algorithm>
#include <limits>
#include <optional>
#include <string_view>

#include "edgewise/error.hpp"
#include "edgewise/sha256.hpp"
#include "json.hpp"

namespace edgewise {
namespace {

using nlohmann::json;

constexpr std::size_t kLengthBytes = 8;
constexpr std::size_t kMaxHeader = std::size_t{16} << 20;
constexpr std::size_t kMaxRank = 32;  // numpy's limit before 2.0
constexpr std::string_view kPadding = "_pad.";

[[noreturn]] void fail(const std::string& cause) { throw Error(ErrorKind::kBundle, cause); }

std::string named(const std::string& tensor) { return "tensor '" + printable(tensor) + "'"; }

struct DTypeInfo {
  DType dtype;
  const char* name;
  std::size_t size;
};

constexpr DTypeInfo kDTypes[] = {
    {DType::kBool, "BOOL", 1}, {DType::kU8, "U8", 1},   {DType::kI8, "I8", 1},
    {DType::kU16, "U16", 2},   {DType::kI16, "I16", 2}, {DType::kF16, "F16", 2},
    {DType::kU32, "U32", 4},   {DType::kI32, "I32", 4}, {DType::kF32, "F32", 4},
    {DType::kU64, "U64", 8},   {DType::kI64, "I64", 8}, {DType::kF64, "F64", 8},
};

std::uint64_t read_header_length(const std::uint8_t* data) {
  std::uint64_t length = 0;
  for (std::size_t i = 0; i < kLengthBytes; ++i) length |= std::uint64_t{data[i]} << (8 * i);
  return length;
}

// The JSON text of the header, without the spaces that pad it.
std::string_view header_text(const std::uint8_t* data, std::size_t size) {
  if (size == 0) fail("the file is empty");
  if (size < kLengthBytes) fail("truncated: " + std::to_string(size) + " bytes are no bundle");
  const std::uint64_t length = read_header_length(data);
  if (length > kMaxHeader) {
    fail("not a bundle: its first 8 bytes give a header of " + std::to_string(length) +
         " bytes, more than the " + std::to_string(kMaxHeader) + " allowed");
  }
  if (length > size - kLengthBytes) {
    fail("truncated, or not a bundle: the header should take " + std::to_string(length) +
         " bytes, the file holds " + std::to_string(size - kLengthBytes));
  }
  const auto* text = reinterpret_cast<const char*>(data + kLengthBytes);
  std::string_view header(text, static_cast<std::size_t>(length));
  if (header.empty() || header.front() != '{') fail("not a bundle: no JSON header");
  header.remove_suffix(header.size() - 1 - header.find_last_not_of(' '));
  if (header.back() != '}') fail("the header does not end with its JSON object");
  return header;
}

const std::string& string_at(const json& object, const char* key, const char* what) {
  const auto it = object.find(key);
  if (it == object.end() || !it->is_string()) {
    fail(std::string(what) + " has no '" + key + "' string");
  }
  return it->get_ref<const std::string&>();
}

int checked_version(const json& manifest) {
  const auto version = manifest.find("format_version");
  if (version == manifest.end() || !version->is_number_unsigned()) {
    fail("the manifest has no 'format_version' number");
  }
  const auto number = version->get<std::uint64_t>();
  if (number > static_cast<std::uint64_t>(kBundleFormat)) {
    fail("written by a newer edgewise (bundle format " + std::to_string(number) +
         ", this one reads up to " + std::to_string(kBundleFormat) + "): upgrade edgewise");
  }
  if (number == 0) fail("bundle format 0 does not exist");
  return static_cast<int>(number);
}

// Reads the manifest first: a newer format must be reported as that, whatever else has changed.
json read_manifest(const json& header, BundleHeader& out) {
  const auto metadata = header.find("__metadata__");
  if (metadata == header.end() || !metadata->is_object() || !metadata->contains("edgewise")) {
    fail("no edgewise manifest: a safetensors file, but not a bundle");
  }
  out.manifest = string_at(*metadata, "edgewise", "the header's __metadata__");
  json manifest = parse_object(out.manifest, "the manifest");
  out.format = checked_version(manifest);
  out.kind = string_at(manifest, "kind", "the manifest");
  out.name = string_at(manifest, "name", "the manifest");
  return manifest;
}

std::size_t unsigned_from(const json& value, const std::string& what) {
  if (!value.is_number_unsigned()) fail(what + " is not a whole number from 0");
  const auto number = value.get<std::uint64_t>();
  if (number > std::numeric_limits<std::size_t>::max()) fail(what + " is too large");
  return static_cast<std::size_t>(number);
}

DType dtype_from(const std::string& written, const std::string& tensor) {
  for (const DTypeInfo& info : kDTypes) {
    if (written == info.name) return info.dtype;
  }
  fail(named(tensor) + " has the unknown dtype '" + printable(written) + "'");
}

struct Extent {
  std::size_t begin = 0;
  std::size_t end = 0;
};

Extent extent_from(const json& entry, const std::string& tensor, std::size_t data_size) {
  const auto offsets = entry.find("data_offsets");
  if (offsets == entry.end() || !offsets->is_array() || offsets->size() != 2) {
    fail(named(tensor) + " has no 'data_offsets' pair");
  }
  const Extent extent{unsigned_from((*offsets)[0], named(tensor) + ": data_offsets"),
                      unsigned_from((*offsets)[1], named(tensor) + ": data_offsets")};
  if (extent.begin > extent.end) fail(named(tensor) + " ends before it begins");
  if (extent.end > data_size) {
    fail("truncated, or damaged: " + named(tensor) + " ends at byte " +
         std::to_string(extent.end) + " of the data, the file holds " + std::to_string(data_size));
  }
  return extent;
}

std::vector<std::size_t> shape_from(const json& entry, const std::string& tensor) {
  const auto shape = entry.find("shape");
  if (shape == entry.end() || !shape->is_array()) fail(named(tensor) + " has no 'shape' list");
  if (shape->size() > kMaxRank) fail(named(tensor) + " has too many dimensions");
  std::vector<std::size_t> sizes;
  for (const json& size : *shape) {
    sizes.push_back(unsigned_from(size, named(tensor) + ": shape"));
  }
  return sizes;
}

// Bytes of a tensor, or nothing when the product does not fit: a shape is not to be trusted.
std::optional<std::size_t> byte_count(const std::vector<std::size_t>& shape, DType dtype) {
  std::size_t bytes = item_size(dtype);
  for (const std::size_t size : shape) {
    if (size != 0 && bytes > std::numeric_limits<std::size_t>::max() / size) return std::nullopt;
    bytes *= size;
  }
  return bytes;
}

Tensor tensor_from(const std::string& name, const json& entry, const std::uint8_t* data,
                   std::size_t data_size) {
  if (!entry.is_object() || entry.size() != 3) {
    fail(named(name) + " is not described by dtype, shape and data_offsets");
  }
  const std::string what = named(name);
  Tensor tensor;
  tensor.name = name;
  tensor.dtype = dtype_from(string_at(entry, "dtype", what.c_str()), name);
  tensor.shape = shape_from(entry, name);
  const Extent extent = extent_from(entry, name, data_size);
  tensor.data = data + extent.begin;
  tensor.bytes = extent.end - extent.begin;
  if (byte_count(tensor.shape, tensor.dtype) != tensor.bytes) {
    fail(what + " takes " + std::to_string(tensor.bytes) +
         " bytes, which its dtype and shape do not give");
  }
  return tensor;
}

bool is_padding(const Tensor& tensor) {
  return std::string_view(tensor.name).substr(0, kPadding.size()) == kPadding;
}

// Tensors in file order must follow each other without overlap or hole, up to the last byte.
void check_tiling(const std::vector<Tensor>& tensors, const std::uint8_t* data, std::size_t size) {
  const std::uint8_t* next = data;
  for (const Tensor& tensor : tensors) {
    if (tensor.data < next) fail(named(tensor.name) + " overlaps the tensor before it");
    if (tensor.data > next) fail("there is a hole in the data before " + named(tensor.name));
    next = tensor.data + tensor.bytes;
  }
  if (next != data + size) {
    fail(std::to_string(static_cast<std::size_t>(data + size - next)) +
         " bytes follow the last tensor");
  }
}

void check_padding(const Tensor& pad) {
  const bool zero =
      std::all_of(pad.data, pad.data + pad.bytes, [](std::uint8_t byte) { return byte == 0; });
  if (pad.dtype != DType::kU8 || pad.bytes >= kBundleAlignment || !zero) {
    fail("damaged: " + named(pad.name) + " is padding, and must be under 64 zero bytes");
  }
}

std::vector<Tensor> read_tensors(const json& header, const std::uint8_t* data, std::size_t size) {
  std::vector<Tensor> tensors;
  for (const auto& [name, entry] : header.items()) {
    if (name != "__metadata__") tensors.push_back(tensor_from(name, entry, data, size));
  }
  sort_in_file_order(tensors);
  check_tiling(tensors, data, size);
  return tensors;
}

void read_hashes(const json& manifest, BundleHeader& out) {
  const auto hashes = manifest.find("sha256");
  if (hashes == manifest.end() || !hashes->is_object()) {
    fail("the manifest has no 'sha256' object");
  }
  for (const Tensor& tensor : out.tensors) {
    const auto hash = hashes->find(tensor.name);
    if (hash == hashes->end() || !hash->is_string()) {
      fail("the manifest has no sha256 of " + named(tensor.name));
    }
    out.sha256[tensor.name] = hash->get<std::string>();
  }
  for (const auto& [name, hash] : hashes->items()) {
    if (out.sha256.count(name) == 0) fail(named(name) + " has a sha256, but is not in the file");
  }
}

void read_deflated(const json& manifest, BundleHeader& out) {
  const auto deflated = manifest.find("deflated");
  if (deflated == manifest.end()) return;
  if (!deflated->is_array()) fail("the manifest's 'deflated' is not a list");
  for (const json& name : *deflated) {
    const bool known = name.is_string() && out.sha256.count(name.get<std::string>()) == 1;
    if (!known) {
      fail("the manifest's 'deflated' lists what is not a tensor: " + printable(name.dump()));
    }
    out.deflated.insert(name.get<std::string>());
  }
}

void read_borrowed(const json& manifest, BundleHeader& out) {
  const auto borrowed = manifest.find("borrowed");
  if (borrowed == manifest.end()) return;
  if (!borrowed->is_object()) fail("the manifest's 'borrowed' is not an object");
  std::unordered_map<std::string_view, const Tensor*> plain;  // by name, for there may be many
  for (const Tensor& tensor : out.tensors) {
    if (out.deflated.count(tensor.name) == 0) plain.emplace(tensor.name, &tensor);
  }
  for (const auto& [name, lender] : borrowed->items()) {
    const auto tensor = plain.find(name);
    const bool lent = lender.is_string() && !borrowed->contains(lender.get<std::string>()) &&
                      plain.count(lender.get_ref<const std::string&>()) == 1;
    if (!lent || tensor == plain.end() || tensor->second->dtype != DType::kU8 ||
        tensor->second->shape.size() != 1) {
      fail("the manifest's 'borrowed' is of what cannot borrow or lend: \"" + printable(name) +
           "\" of " + printable(ascii_text(lender)));
    }
    out.borrowed.emplace(name, lender.get<std::string>());
  }
}

}  // namespace

std::size_t item_size(DType dtype) noexcept { return kDTypes[static_cast<int>(dtype)].size; }

const char* dtype_name(DType dtype) noexcept { return kDTypes[static_cast<int>(dtype)].name; }

void sort_in_file_order(std::vector<Tensor>& tensors) {
  std::sort(tensors.begin(), tensors.end(), [](const Tensor& a, const Tensor& b) {
    if (a.data != b.data) return a.data < b.data;
    if (a.bytes != b.bytes) return a.bytes < b.bytes;
    return a.name < b.name;
  });
}

std::string table_digest(const std::string& manifest, const std::vector<Tensor>& tensors,
                         const std::uint8_t* data) {
  std::string text = manifest + "\n";
  for (const Tensor& tensor : tensors) {
    const auto begin = static_cast<std::size_t>(tensor.data - data);
    text += tensor.name + "\t" + dtype_name(tensor.dtype) + "\t";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      text += (i == 0 ? "" : ",") + std::to_string(tensor.shape[i]);
    }
    text += "\t" + std::to_string(begin) + "\t" + std::to_string(begin + tensor.bytes) + "\n";
  }
  return sha256_hex(text.data(), text.size());
}

BundleHeader read_bundle_header(const std::uint8_t* data, std::size_t size) {
  const std::string_view text = header_text(data, size);
  const json header = parse_object(text, "the header");
  BundleHeader out;
  const json manifest = read_manifest(header, out);

  const std::size_t start = kLengthBytes + static_cast<std::size_t>(read_header_length(data));
  if (start % kBundleAlignment != 0) fail("the data does not start at a multiple of 64 bytes");
  std::vector<Tensor> all = read_tensors(header, data + start, size - start);
  if (table_digest(out.manifest, all, data + start) !=
      string_at(header["__metadata__"], "edgewise.sha256", "the header's __metadata__")) {
    fail("damaged: the header does not match its sha256");
  }
  for (Tensor& tensor : all) {
    if (is_padding(tensor)) {
      check_padding(tensor);
    } else if (static_cast<std::size_t>(tensor.data - data) % kBundleAlignment != 0) {
      fail(named(tensor.name) + " does not start at a multiple of 64 bytes");
    } else {
      out.tensors.push_back(std::move(tensor));
    }
  }
  read_hashes(manifest, out);
  read_deflated(manifest, out);
  read_borrowed(manifest, out);
  return out;
}

}  // namespace edgewise
