// Bundles made of a fuzzer's bytes, sealed with the right digests: a fuzzer cannot guess a sha256,
// and behind it lies most of what reads.
//
// The bytes are lines of text and data:
//   a manifest                     {"space":"nasbench201","architectures":[]}
//   tensors, one a line            ms F64 2,3
//   an empty line
//   the tensors' data, one after the other; zeros where it ends too early
#pragma once

#include <array>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "edgewise/bundle.hpp"
#include "edgewise/bundle_writer.hpp"
#include "expect.hpp"

namespace edgewise::fuzz {

class Lines {
 public:
  explicit Lines(std::string_view text) : rest_(text) {}

  std::string_view next() {
    const std::size_t end = rest_.find('\n');
    const std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    return line;
  }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

inline DType dtype_of(std::string_view name) {
  for (int i = 0; i <= static_cast<int>(DType::kF64); ++i) {
    if (name == dtype_name(static_cast<DType>(i))) return static_cast<DType>(i);
  }
  return DType::kU8;
}

// One line of the table; elements are so few that nothing is slow.
inline Tensor tensor_from(std::string_view line) {
  constexpr std::size_t kMost = 1 << 12;
  Tensor tensor;
  const std::size_t space = line.find(' ');
  tensor.name = std::string(line.substr(0, space));
  std::string_view about = space == std::string_view::npos ? "" : line.substr(space + 1);
  tensor.dtype = dtype_of(about.substr(0, about.find(' ')));
  about.remove_prefix(std::min(about.size(), about.find(' ') == std::string_view::npos
                                                 ? about.size()
                                                 : about.find(' ') + 1));
  std::size_t elements = 1;
  while (!about.empty() && tensor.shape.size() < 4) {
    const std::size_t size =
        std::strtoul(std::string(about.substr(0, about.find(','))).c_str(), nullptr, 10) % kMost;
    if (elements * size > kMost) break;
    elements *= size;
    tensor.shape.push_back(size);
    about.remove_prefix(std::min(about.size(), about.find(',')) + (about.find(',') < about.size()));
  }
  tensor.bytes = elements * item_size(tensor.dtype);
  return tensor;
}

// The bundle, or null where the manifest is no JSON object.
inline std::shared_ptr<const Bundle> forged(const char* kind, std::string_view input) {
  constexpr std::size_t kMostTensors = 32;
  Lines lines(input);
  const std::string manifest(lines.next());
  std::vector<Tensor> tensors;
  for (std::string_view line = lines.next(); !line.empty() && tensors.size() < kMostTensors;
       line = lines.next()) {
    tensors.push_back(tensor_from(line));
  }
  std::size_t total = 0;
  for (const Tensor& tensor : tensors) total += tensor.bytes;
  std::string data(lines.rest().substr(0, total));
  data.resize(total, '\0');
  const char* next = data.data();
  for (Tensor& tensor : tensors) {
    tensor.data = reinterpret_cast<const std::uint8_t*>(next);
    next += tensor.bytes;
  }
  std::string bytes;
  if (!allowed({ErrorKind::kBundle}, [&] { bytes = bundle_bytes(kind, "f", manifest, tensors); })) {
    return nullptr;
  }
  std::shared_ptr<const Bundle> bundle;
  allowed({ErrorKind::kBundle},
          [&] { bundle = Bundle::from_bytes(bytes.data(), bytes.size(), "file"); });
  return bundle;
}

}  // namespace edgewise::fuzz
