#include "edgewise/bundle.hpp"

#include <utility>

#include "borrowed.hpp"
#include "edgewise/error.hpp"
#include "edgewise/sha256.hpp"
#include "file_map.hpp"
#include "safetensors.hpp"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "bundles are little-endian and read in place"
#endif

namespace edgewise {

std::shared_ptr<const Bundle> Bundle::open(const std::string& path, std::string_view kind) {
  std::unique_ptr<FileMap> file;
  try {
    file = FileMap::map(path);
  } catch (const Error& error) {
    throw Error(error.kind(), path + ": " + error.what());
  }
  return std::shared_ptr<const Bundle>(new Bundle(std::move(file), path, kind));
}

std::shared_ptr<const Bundle> Bundle::from_bytes(const void* data, std::size_t size,
                                                 const std::string& label, std::string_view kind) {
  return std::shared_ptr<const Bundle>(new Bundle(FileMap::copy(data, size), label, kind));
}

Bundle::Bundle(std::unique_ptr<FileMap> file, std::string label, std::string_view kind)
    : file_(std::move(file)), label_(std::move(label)) {
  try {
    load(kind);
  } catch (const Error& error) {
    fail(error.what());
  }
}

Bundle::~Bundle() = default;

void Bundle::load(std::string_view kind) {
  BundleHeader header = read_bundle_header(file_->data(), file_->size());
  if (!kind.empty() && header.kind != kind) {
    throw Error(ErrorKind::kBundle, "a bundle of kind '" + printable(header.kind) + "', but '" +
                                        std::string(kind) + "' is needed");
  }
  format_ = header.format;
  kind_ = std::move(header.kind);
  name_ = std::move(header.name);
  manifest_ = std::move(header.manifest);
  for (Tensor& tensor : header.tensors) {
    auto entry = std::make_unique<Entry>();
    entry->sha256 = header.sha256.at(tensor.name);
    entry->deflated = header.deflated.count(tensor.name) == 1;
    const auto borrowed = header.borrowed.find(tensor.name);
    if (borrowed != header.borrowed.end()) entry->lender = borrowed->second;
    entry->stored_bytes = tensor.bytes;
    entry->tensor = std::move(tensor);
    index_.emplace(entry->tensor.name, entries_.size());
    entries_.push_back(std::move(entry));
  }
}

std::size_t Bundle::file_bytes() const noexcept { return file_->size(); }

std::vector<std::string> Bundle::names() const {
  std::vector<std::string> names;
  names.reserve(entries_.size());
  for (const auto& entry : entries_) names.push_back(entry->tensor.name);
  return names;
}

bool Bundle::contains(std::string_view name) const {
  return index_.count(std::string(name)) == 1;
}

bool Bundle::deflated(std::string_view name) const { return entry(name).deflated; }

std::size_t Bundle::stored_bytes(std::string_view name) const {
  return entry(name).stored_bytes;
}

const Tensor& Bundle::tensor(std::string_view name) const { return checked(entry(name)); }

const Bundle::Entry& Bundle::entry(std::string_view name) const {
  const auto it = index_.find(std::string(name));
  if (it == index_.end()) fail("has no tensor '" + printable(name) + "'");
  return *entries_[it->second];
}

// Two threads may both hash a tensor that neither has seen verified; the answer is the same.
const Tensor& Bundle::checked(const Entry& entry) const {
  if (!entry.verified.load(std::memory_order_acquire)) {
    if (!entry.lender.empty()) put_together(entry);
    const Tensor& tensor = entry.tensor;
    if (sha256_hex(tensor.data, tensor.bytes) != entry.sha256) {
      fail("damaged: tensor '" + printable(tensor.name) + "' does not match its sha256");
    }
    entry.verified.store(true, std::memory_order_release);
  }
  return entry.tensor;
}

void Bundle::put_together(const Entry& entry) const {
  const Tensor& lender = tensor(entry.lender);
  const std::lock_guard<std::mutex> lock(putting_together_);
  if (entry.whole != nullptr) return;
  try {
    const std::vector<std::uint8_t> bytes =
        with_borrowed(entry.tensor, lender, format_, kMaxBorrowed - borrowed_);
    borrowed_ += bytes.size();
    entry.whole = FileMap::copy(bytes.data(), bytes.size());
  } catch (const Error& error) {
    fail(error.what());
  }
  entry.tensor.data = entry.whole->data();
  entry.tensor.bytes = entry.whole->size();
  entry.tensor.shape = {entry.tensor.bytes};
}

const std::uint8_t* Bundle::typed(std::string_view name, DType dtype,
                                  const std::vector<std::size_t>& shape) const {
  const Tensor& found = tensor(name);
  if (found.dtype != dtype) {
    fail("tensor '" + found.name + "' is " + dtype_name(found.dtype) + ", not " +
         dtype_name(dtype));
  }
  if (found.shape != shape) {
    const auto text = [](const std::vector<std::size_t>& sizes) {
      std::string joined = "(";
      for (const std::size_t size : sizes) joined += std::to_string(size) + ",";
      return joined + ")";
    };
    fail("tensor '" + found.name + "' has the shape " + text(found.shape) + ", not " +
         text(shape));
  }
  return found.data;
}

const float* Bundle::floats(std::string_view name, const std::vector<std::size_t>& shape) const {
  return reinterpret_cast<const float*>(typed(name, DType::kF32, shape));
}

const double* Bundle::doubles(std::string_view name, const std::vector<std::size_t>& shape) const {
  return reinterpret_cast<const double*>(typed(name, DType::kF64, shape));
}

void Bundle::verify() const {
  for (const auto& entry : entries_) checked(*entry);
}

void Bundle::fail(const std::string& cause) const {
  throw Error(ErrorKind::kBundle, label_ + ": " + cause);
}

}  // namespace edgewise
