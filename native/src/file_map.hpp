// The bytes of a bundle, 64-byte aligned: a read-only mapping of a file, or a copy in memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>

namespace edgewise {

class FileMap {
 public:
  virtual ~FileMap() = default;
  const std::uint8_t* data() const noexcept { return data_; }
  std::size_t size() const noexcept { return size_; }

  // Throws Error(kBundle) with the operating system's reason (not the path: the caller adds it).
  static std::unique_ptr<FileMap> map(const std::string& path);
  static std::unique_ptr<FileMap> copy(const void* data, std::size_t size);

 protected:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace edgewise
