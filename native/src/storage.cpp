#include "edgewise/storage.hpp"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <random>
#include <system_error>

#include "edgewise/error.hpp"

#if defined(_WIN32)
#include <fcntl.h>
#include <io.h>
#include <sys/stat.h>
#else
#include <fcntl.h>
#include <unistd.h>
#endif

namespace edgewise {
namespace {

namespace fs = std::filesystem;

// The first word that a failed system call had to say; turned into an Error at the end.
struct Failure {
  int error;
};

const char* cure(int error) {
  switch (error) {
    case ENOSPC: return "the disk is full: free some space, or choose another folder";
    case EROFS: return "the disk is read-only: choose another folder";
    case EACCES: return "permission denied: choose a folder you may write to";
    case EPERM: return "the folder may not be changed: choose a folder you may write to";
    case ENOENT: return "the folder does not exist: create it first";
    case ENOTDIR: return "a part of the path is a file, not a folder: choose another path";
    case EISDIR: return "it is a folder: give the name of a file";
    case EFBIG:
      return "the file would exceed the size limit of this process or disk: raise it, or choose "
             "another folder";
#if defined(EDQUOT)
    case EDQUOT: return "the disk quota is used up: free some space, or choose another folder";
#endif
    default: return std::strerror(error);
  }
}

#if defined(_WIN32)

constexpr int kWrite = _O_WRONLY | _O_BINARY;
int open_file(const fs::path& path, int flags) {
  return ::_wopen(path.c_str(), kWrite | flags, _S_IREAD | _S_IWRITE);
}
int create_exclusively(const fs::path& path) { return open_file(path, _O_CREAT | _O_EXCL); }
int open_device(const fs::path& path) { return open_file(path, 0); }
int write_some(int file, const char* data, std::size_t size) {
  return ::_write(file, data, static_cast<unsigned>(size < (1u << 30) ? size : (1u << 30)));
}
int flush(int file) { return ::_commit(file); }
int close_file(int file) { return ::_close(file); }
void sync_folder(const fs::path&) {}

#else

int create_exclusively(const fs::path& path) {
  // Made as any new file is (umask); never over a file of that name.
  return ::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
}
int open_device(const fs::path& path) { return ::open(path.c_str(), O_WRONLY | O_CLOEXEC); }
ssize_t write_some(int file, const char* data, std::size_t size) {
  return ::write(file, data, size);
}
int flush(int file) { return ::fsync(file); }
int close_file(int file) { return ::close(file); }

// Makes the rename itself durable. Where a folder cannot be synced, the file is still whole.
void sync_folder(const fs::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0) return;
  (void)::fsync(file);
  ::close(file);
}

#endif

// An open file, closed on every way out.
class File {
 public:
  explicit File(int descriptor) : descriptor_(descriptor) {
    if (descriptor < 0) throw Failure{errno};
  }
  ~File() {
    if (descriptor_ >= 0) close_file(descriptor_);
  }
  File(const File&) = delete;
  File& operator=(const File&) = delete;

  void write(std::string_view data) {
    while (!data.empty()) {
      const auto written = write_some(descriptor_, data.data(), data.size());
      if (written < 0 && errno == EINTR) continue;
      if (written < 0) throw Failure{errno};
      data.remove_prefix(static_cast<std::size_t>(written));
    }
  }
  void sync() {
    if (flush(descriptor_) != 0) throw Failure{errno};
  }
  void close() {
    const int descriptor = descriptor_;
    descriptor_ = -1;
    if (close_file(descriptor) != 0) throw Failure{errno};  // where a network disk says it is full
  }

 private:
  int descriptor_;
};

std::string unused_name() {
  constexpr char kHex[] = "0123456789abcdef";
  std::random_device random;
  std::string name = ".edgewise-";
  for (int i = 0; i < 16; ++i) name += kHex[random() & 15u];
  return name + ".part";
}

void write_aside_and_rename(const fs::path& target, const std::vector<std::string_view>& pieces) {
  const bool replaces = fs::exists(target);
  const fs::path aside = target.parent_path() / unused_name();
  File file(create_exclusively(aside));
  try {
    for (const std::string_view piece : pieces) file.write(piece);
    if (replaces) fs::permissions(aside, fs::status(target).permissions());
    file.sync();
    file.close();
    fs::rename(aside, target);
  } catch (...) {
    std::error_code ignored;
    fs::remove(aside, ignored);
    throw;
  }
  sync_folder(target.parent_path().empty() ? fs::path(".") : target.parent_path());
}

// Where a chain of symbolic links ends, be it there or not: a rename would replace a link, but what
// it points to is what is meant.
fs::path followed(fs::path path) {
  constexpr int kMostLinks = 40;  // as Linux follows
  for (int i = 0; fs::is_symlink(path); ++i) {
    if (i == kMostLinks) throw Failure{ELOOP};
    path = path.parent_path() / fs::read_symlink(path);
  }
  return path;
}

void write_to(const fs::path& given, const std::vector<std::string_view>& pieces) {
  const fs::path target = followed(given);
  if (fs::is_directory(target)) throw Failure{EISDIR};
  if (fs::exists(target) && !fs::is_regular_file(target)) {
    // A device or a pipe, /dev/null for one: it is written to, and must not be replaced.
    File device(open_device(target));
    for (const std::string_view piece : pieces) device.write(piece);
    device.close();
    return;
  }
  write_aside_and_rename(target, pieces);
}

}  // namespace

void write_atomic(const std::string& path, const std::vector<std::string_view>& pieces) {
  const auto fail = [&](int error) {
    throw Error(ErrorKind::kStorage, "cannot write " + path + ": " + cure(error));
  };
  try {
    write_to(fs::path(path), pieces);
  } catch (const Failure& failure) {
    fail(failure.error);
  } catch (const fs::filesystem_error& error) {
    fail(error.code().default_error_condition().value());
  }
}

}  // namespace edgewise
