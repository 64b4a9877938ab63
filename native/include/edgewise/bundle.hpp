// A bundle: one safetensors file with an edgewise manifest. The only thing that crosses from host
// to device, and what a device saves.
//
// Layout: u64 little-endian header length | JSON header, padded with spaces | tensor data.
// Above what safetensors asks for (no overlaps, no holes, every byte owned by one tensor):
//   * `__metadata__["edgewise"]` is the manifest, a JSON object: format_version, kind, name,
//     sha256 {tensor: hex of its bytes}, deflated [tensors stored as zlib streams], patterned
//     [deflated model files without their weights], and whatever the kind adds.
//   * what a patterned tensor inflates to is u32 count | count cuts | the rest of the file. A cut
//     is five u32, little-endian: the offset in the whole file of weights that were taken out,
//     outputs, inputs, window, and order of their axes. They are computed when the file is read:
//     see pattern.py in the Python package, which alone reads reference models.
//   * `borrowed` {tensor: lender} in the manifest: U8 tensors stored without what the lender, a plain
//     tensor, holds too, as u32 count | count loans | the rest of the bytes. A loan is six u32,
//     little-endian: the offset in the whole tensor of what was taken out, its offset in the lender,
//     outputs, inputs, window, and bytes of a number. It lies there as (outputs, window, inputs),
//     and goes back as (outputs, inputs, window). From format 3 on a loan has a seventh u32: 0, or
//     where in the lender the scales lie, a float32 for each output. Then what is lent are int8
//     numbers, and each goes back times its scale, as float32. `tensor` gives the whole, whose
//     sha256 it is.
//   * `__metadata__["edgewise.sha256"]` is the digest of the manifest and of the tensor table, so
//     that a damaged header is found as surely as damaged data (see table_digest in
//     safetensors.cpp).
//   * every tensor starts at a multiple of 64 bytes from the start of the file, so a mapped file
//     can be read in place. U8 tensors named `_pad.N`, all zero and under 64 bytes, fill the gaps.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

namespace edgewise {

// The newest bundle format this library reads: 2 has `borrowed`, 3 has scales for it. A file says
// the oldest that has all it needs, so that older readers take what they can.
inline constexpr int kBundleFormat = 3;

enum class DType { kBool, kU8, kI8, kU16, kI16, kF16, kU32, kI32, kF32, kU64, kI64, kF64 };

std::size_t item_size(DType dtype) noexcept;   // bytes
const char* dtype_name(DType dtype) noexcept;  // as safetensors writes it: "F32"

// A view of one tensor: row-major, little-endian, 64-byte aligned; valid as long as its bundle.
struct Tensor {
  std::string name;
  DType dtype = DType::kU8;
  std::vector<std::size_t> shape;
  const std::uint8_t* data = nullptr;
  std::size_t bytes = 0;

  std::size_t elements() const noexcept { return bytes / item_size(dtype); }
};

class FileMap;  // owns the bytes: a mapped file or a copy in memory

// Opening checks the whole structure; the bytes of a tensor are checked against its sha256 when it
// is first asked for. Every fault is Error(kBundle) naming the file and the cause.
// Thread-safety: all const members may be called from any number of threads.
class Bundle {
 public:
  // Maps the file at `path` (bytes as the file system has them). With `kind`, any other kind of
  // bundle is refused. The file may be replaced by rename while it is open, but not overwritten.
  static std::shared_ptr<const Bundle> open(const std::string& path, std::string_view kind = {});

  // Copies `size` bytes at `data`; `label` stands for the file's name in messages.
  static std::shared_ptr<const Bundle> from_bytes(const void* data, std::size_t size,
                                                  const std::string& label,
                                                  std::string_view kind = {});

  ~Bundle();
  Bundle(const Bundle&) = delete;
  Bundle& operator=(const Bundle&) = delete;

  const std::string& label() const noexcept { return label_; }        // path, or the given label
  const std::string& kind() const noexcept { return kind_; }          // "latency", "profile", ...
  const std::string& name() const noexcept { return name_; }          // the manifest's name
  const std::string& manifest() const noexcept { return manifest_; }  // JSON text
  std::size_t file_bytes() const noexcept;

  std::vector<std::string> names() const;  // in file order, padding left out
  bool contains(std::string_view name) const;
  bool deflated(std::string_view name) const;  // stored as a zlib stream
  std::size_t stored_bytes(std::string_view name) const;  // in the file

  // The tensor, its bytes verified. Throws when there is none of that name.
  const Tensor& tensor(std::string_view name) const;

  // The tensor's data as T, checked to be of `dtype` and `shape`. For loading a model: one call a
  // parameter, each fault an Error(kBundle).
  const float* floats(std::string_view name, const std::vector<std::size_t>& shape) const;
  const double* doubles(std::string_view name, const std::vector<std::size_t>& shape) const;

  void verify() const;  // checks every tensor now

 private:
  struct Entry {
    mutable Tensor tensor;  // of one that borrows: as stored, and whole once it was asked for
    std::size_t stored_bytes = 0;
    std::string sha256;
    bool deflated = false;
    std::string lender;  // of what it borrows; empty if nothing
    mutable std::unique_ptr<FileMap> whole;
    mutable std::atomic<bool> verified{false};
  };

  Bundle(std::unique_ptr<FileMap> file, std::string label, std::string_view kind);
  void load(std::string_view kind);
  const Entry& entry(std::string_view name) const;
  const Tensor& checked(const Entry& entry) const;
  void put_together(const Entry& entry) const;
  const std::uint8_t* typed(std::string_view name, DType dtype,
                            const std::vector<std::size_t>& shape) const;
  [[noreturn]] void fail(const std::string& cause) const;

  std::unique_ptr<FileMap> file_;
  std::string label_;
  int format_ = 0;
  std::string kind_;
  std::string name_;
  std::string manifest_;
  std::vector<std::unique_ptr<Entry>> entries_;
  std::unordered_map<std::string, std::size_t> index_;
  mutable std::mutex putting_together_;
  mutable std::size_t borrowed_ = 0;  // bytes of all that were put together
};

}  // namespace edgewise
