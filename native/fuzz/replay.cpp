// Runs files through a fuzz target where there is no libFuzzer: what was once found stays found.
//
//   replay_bundle corpus/bundle ...      folders (all files in them) or files
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace {

namespace fs = std::filesystem;

std::vector<fs::path> files_at(const fs::path& path) {
  if (!fs::is_directory(path)) return {path};
  std::vector<fs::path> found;
  for (const auto& entry : fs::directory_iterator(path)) found.push_back(entry.path());
  std::sort(found.begin(), found.end());
  return found;
}

void replay(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(file), {}};
  std::printf("%s\n", path.filename().string().c_str());
  std::fflush(stdout);  // so that a crash has a name
  (void)LLVMFuzzerTestOneInput(reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size());
}

}  // namespace

int main(int count, char** words) {
  std::size_t done = 0;
  for (int i = 1; i < count; ++i) {
    for (const fs::path& path : files_at(words[i])) {
      replay(path);
      ++done;
    }
  }
  std::printf("%zu files\n", done);
  return done == 0 ? 1 : 0;
}
