#include "edgewise/bundle_writer.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>

#include "edgewise/sha256.hpp"
#include "json.hpp"
#include "safetensors.hpp"

namespace edgewise {
namespace {

std::string json_string(std::string_view text) { return ascii_text(nlohmann::json(text)); }

std::string manifest_text(std::string_view kind, std::string_view name, const std::string& manifest,
                          const std::vector<Tensor>& tensors) {
  // What the kind adds, without its braces.
  const std::string added = ascii_text(parse_object(manifest, "the manifest"));
  const std::string inner = added.substr(1, added.size() - 2);
  std::string text = "{\"format_version\":1,\"kind\":" + json_string(kind) +
                     ",\"name\":" + json_string(name) + ",";
  if (!inner.empty()) text += inner + ",";
  text += "\"sha256\":{";
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    text += (i == 0 ? "" : ",") + json_string(tensors[i].name) + ":\"" +
            sha256_hex(tensors[i].data, tensors[i].bytes) + "\"";
  }
  return text + "},\"deflated\":[]}";
}

// The tensors and the padding that lets each start at a multiple of kBundleAlignment, in place:
// data points into `body`.
std::vector<Tensor> laid_out(const std::vector<Tensor>& tensors, std::string& body) {
  std::vector<Tensor> placed;
  std::vector<std::size_t> begins;
  const auto place = [&](Tensor tensor) {
    begins.push_back(body.size());
    body.append(reinterpret_cast<const char*>(tensor.data), tensor.bytes);
    placed.push_back(std::move(tensor));
  };
  for (const Tensor& tensor : tensors) {
    static constexpr std::uint8_t kZeros[kBundleAlignment] = {};
    const std::size_t gap =
        (kBundleAlignment - body.size() % kBundleAlignment) % kBundleAlignment;
    if (gap != 0) {
      place({"_pad." + std::to_string(body.size()), DType::kU8, {gap}, kZeros, gap});
    }
    place(tensor);
  }
  const auto* const data = reinterpret_cast<const std::uint8_t*>(body.data());
  for (std::size_t i = 0; i < placed.size(); ++i) placed[i].data = data + begins[i];
  return placed;
}

std::string header_text(const std::string& manifest, std::vector<Tensor> placed,
                        const std::uint8_t* data) {
  std::string text;
  for (const Tensor& tensor : placed) {
    const auto begin = static_cast<std::size_t>(tensor.data - data);
    text += "," + json_string(tensor.name) + ":{\"dtype\":\"" + dtype_name(tensor.dtype) +
            "\",\"shape\":[";
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) {
      text += (i == 0 ? "" : ",") + std::to_string(tensor.shape[i]);
    }
    text += "],\"data_offsets\":[" + std::to_string(begin) + "," +
            std::to_string(begin + tensor.bytes) + "]}";
  }
  sort_in_file_order(placed);
  return "{\"__metadata__\":{\"edgewise\":" + json_string(manifest) + ",\"edgewise.sha256\":\"" +
         table_digest(manifest, placed, data) + "\"}" + text + "}";
}

}  // namespace

std::string bundle_bytes(std::string_view kind, std::string_view name, const std::string& manifest,
                         const std::vector<Tensor>& tensors) {
  std::string body;
  const std::vector<Tensor> placed = laid_out(tensors, body);
  std::string header = header_text(manifest_text(kind, name, manifest, tensors), placed,
                                   reinterpret_cast<const std::uint8_t*>(body.data()));
  constexpr std::size_t kLengthBytes = 8;
  const std::size_t used = (kLengthBytes + header.size()) % kBundleAlignment;
  header.append((kBundleAlignment - used) % kBundleAlignment, ' ');
  std::string bytes;
  for (std::size_t i = 0; i < kLengthBytes; ++i) {
    bytes += static_cast<char>(static_cast<std::uint64_t>(header.size()) >> (8 * i));
  }
  return bytes + header + body;
}

bool is_utf8(std::string_view text) {
  try {
    (void)nlohmann::json(text).dump();
  } catch (const nlohmann::json::type_error&) {  // as strict writing says of what is not
    return false;
  }
  return true;
}

Tensor tensor_of(std::string name, const std::vector<double>& values,
                 std::vector<std::size_t> shape) {
  return {std::move(name), DType::kF64, std::move(shape),
          reinterpret_cast<const std::uint8_t*>(values.data()), values.size() * sizeof(double)};
}

Tensor tensor_of(std::string name, const std::vector<std::int64_t>& values,
                 std::vector<std::size_t> shape) {
  return {std::move(name), DType::kI64, std::move(shape),
          reinterpret_cast<const std::uint8_t*>(values.data()),
          values.size() * sizeof(std::int64_t)};
}

}  // namespace edgewise
