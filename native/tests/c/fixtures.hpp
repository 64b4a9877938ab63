// What the tests of the C interface share: the shipped bundles, one more, and a device.
#pragma once

#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <edgewise/edgewise.hpp>
#include <string>
#include <vector>

inline std::string shipped(const std::string& name) {
  return std::string(EDGEWISE_TEST_BUNDLES) + "/" + name + ".safetensors";
}

inline edgewise::Bundle latency_bundle(const std::string& space = "nasbench201") {
  return edgewise::Bundle::open(shipped(space), "latency");
}

// An embedder of 16 numbers whose rule for the unknown is the background (tests/fixtures/write.py).
inline edgewise::Bundle background_bundle() {
  return edgewise::Bundle::open(EDGEWISE_TEST_FIXTURES "/0.1.0/background.safetensors",
                                "embedder");
}

// A device without noise: 1 ms, and 1 ms for every 20 million operations.
inline double milliseconds(const edgewise::Space& space, const std::string& arch) {
  return 1.0 + space.flops(arch) / 20e6;
}

inline edgewise::Device calibrated(const edgewise::Bundle& bundle) {
  const edgewise::Space space = bundle.space();
  return edgewise::Device::calibrate(
      bundle, [&](const std::string& arch) { return milliseconds(space, arch); });
}

// A path in the folder for temporary files; the file is removed at the end.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& name) {
    const char* folder = std::getenv("TMPDIR");
    path_ = std::string(folder != nullptr ? folder : "/tmp") + "/edgewise-" + name + "-" +
            std::to_string(reinterpret_cast<std::uintptr_t>(this));
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

// Orthogonal examples of `dim` numbers: the i-th is 1 at i.
inline std::vector<float> unit(std::size_t dim, std::size_t i) {
  std::vector<float> values(dim, 0.0f);
  values[i] = 1.0f;
  return values;
}

// The status of the Error that `body` throws; EDGEWISE_OK when it throws none.
template <typename Body>
edgewise_status status_of(const Body& body) {
  try {
    body();
  } catch (const edgewise::Error& error) {
    return error.status();
  }
  return EDGEWISE_OK;
}
