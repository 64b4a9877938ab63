#include "file_map.hpp"

#include <cerrno>
#include <cstring>
#include <new>

#include "edgewise/error.hpp"

#if defined(_WIN32)
#include <fstream>
#include <iterator>
#include <vector>
#else
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#endif

namespace edgewise {
namespace {

constexpr std::align_val_t kAlignment{64};

class Copy final : public FileMap {
 public:
  Copy(const void* data, std::size_t size) {
    if (size == 0) return;
    auto* bytes = static_cast<std::uint8_t*>(::operator new(size, kAlignment));
    std::memcpy(bytes, data, size);
    data_ = bytes;
    size_ = size;
  }
  ~Copy() override { ::operator delete(const_cast<std::uint8_t*>(data_), kAlignment); }
  Copy(const Copy&) = delete;
  Copy& operator=(const Copy&) = delete;
};

[[noreturn]] void fail(int error) {
  throw Error(ErrorKind::kBundle, std::string("cannot be read: ") + std::strerror(error));
}

#if !defined(_WIN32)

class Mapping final : public FileMap {
 public:
  Mapping(int descriptor, std::size_t size) {
    if (size == 0) return;  // mmap refuses an empty file; the reader then says that it is one
    void* address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, descriptor, 0);
    if (address == MAP_FAILED) fail(errno);
    data_ = static_cast<const std::uint8_t*>(address);
    size_ = size;
  }
  ~Mapping() override {
    if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), size_);
  }
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;
};

// Closes the descriptor on every way out; a mapping outlives it.
struct Descriptor {
  int value;
  ~Descriptor() { ::close(value); }
};

#endif

}  // namespace

std::unique_ptr<FileMap> FileMap::copy(const void* data, std::size_t size) {
  return std::make_unique<Copy>(data, size);
}

#if defined(_WIN32)

std::unique_ptr<FileMap> FileMap::map(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) fail(errno);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), {}};
  return copy(bytes.data(), bytes.size());
}

#else

std::unique_ptr<FileMap> FileMap::map(const std::string& path) {
  const int opened = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (opened < 0) fail(errno);
  const Descriptor file{opened};
  struct stat status{};
  if (::fstat(file.value, &status) != 0) fail(errno);
  if (S_ISDIR(status.st_mode)) fail(EISDIR);
  if (!S_ISREG(status.st_mode)) {
    throw Error(ErrorKind::kBundle, "cannot be read: it is not a regular file");
  }
  return std::make_unique<Mapping>(file.value, static_cast<std::size_t>(status.st_size));
}

#endif

}  // namespace edgewise
