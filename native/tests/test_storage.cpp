// Files are written wholly or not at all, and nothing is left beside them.
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>

#include "check.hpp"
#include "edgewise/storage.hpp"

namespace fs = std::filesystem;
using edgewise::write_atomic;

namespace {

// A folder that is removed with all that is in it.
class Folder {
 public:
  Folder()
      : path_(fs::temp_directory_path() /
              ("edgewise-" + std::to_string(std::random_device{}()))) {
    fs::create_directory(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  std::string operator/(const char* name) const { return (path_ / name).string(); }
  std::size_t files() const {
    return static_cast<std::size_t>(
        std::distance(fs::directory_iterator(path_), fs::directory_iterator()));
  }

 private:
  fs::path path_;
};

std::string content(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

}  // namespace

TEST(a_file_is_replaced) {
  const Folder folder;
  write_atomic(folder / "a", {"one, ", std::string_view("two\0", 4)});
  CHECK(content(folder / "a") == std::string("one, two\0", 9));
  write_atomic(folder / "a", {});
  CHECK(content(folder / "a").empty());
  CHECK(folder.files() == 1);
}

TEST(a_relative_path) {
  const Folder folder;
  const fs::path before = fs::current_path();
  fs::current_path(folder / "");
  write_atomic("a", {"here"});
  fs::current_path(before);
  CHECK(content(folder / "a") == "here");
}

#if !defined(_WIN32)

TEST(permissions_are_kept) {
  const Folder folder;
  write_atomic(folder / "a", {"one"});
  fs::permissions(folder / "a", fs::perms::owner_read | fs::perms::owner_write);
  write_atomic(folder / "a", {"two"});
  CHECK(fs::status(folder / "a").permissions() ==
        (fs::perms::owner_read | fs::perms::owner_write));
}

TEST(a_link_is_followed) {
  const Folder folder;
  fs::create_directory(folder / "other");
  fs::create_symlink("other/target", folder / "link");  // which is not there yet
  for (const char* text : {"one", "two"}) {
    write_atomic(folder / "link", {text});
    CHECK(fs::is_symlink(folder / "link"));
    CHECK(content(folder / "other/target") == text);
  }
}

TEST(a_circle_of_links) {
  const Folder folder;
  fs::create_symlink("b", folder / "a");
  fs::create_symlink("a", folder / "b");
  CHECK_THROWS(write_atomic(folder / "a", {"x"}), "a: ");
  CHECK(folder.files() == 2);
}

#endif

TEST(failures_leave_nothing) {
  const Folder folder;
  CHECK_THROWS(write_atomic(folder / "none/a", {"x"}), "the folder does not exist");
  CHECK_THROWS(write_atomic(folder / "", {"x"}), "it is a folder");
  write_atomic(folder / "a", {"x"});
  CHECK_THROWS(write_atomic(folder / "a/b", {"x"}), "a part of the path is a file");
  CHECK_THROWS(write_atomic(folder / "none/a", {"x"}), folder / "none/a");
  CHECK(folder.files() == 1);
  CHECK(content(folder / "a") == "x");
}

CHECK_MAIN
