// The bundle reader from C++: typed access, mapping, and many threads. Hostile files are in
// tests/sdk/test_bundle_hostile.py.
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "edgewise/bundle.hpp"
#include "edgewise/error.hpp"
#include "edgewise/sha256.hpp"

using edgewise::Bundle;
using edgewise::sha256_hex;

namespace {

const std::vector<float> kWeights = {1.0f, -2.5f, 3.0f, 0.0f, 1e-20f, 7.0f};

std::string escaped(const std::string& json) {
  std::string out;
  for (const char c : json) out += c == '"' ? std::string("\\\"") : std::string(1, c);
  return out;
}

// A bundle with one tensor "w", F32 (2, 3), written without the Python writer.
std::string small_bundle() {
  const std::string data(reinterpret_cast<const char*>(kWeights.data()), 4 * kWeights.size());
  const std::string manifest =
      R"({"format_version":1,"kind":"latency","name":"small","sha256":{"w":")" +
      sha256_hex(data.data(), data.size()) + R"("}})";
  const std::string table = manifest + "\nw\tF32\t2,3\t0\t24\n";
  std::string header = R"({"__metadata__":{"edgewise":")" + escaped(manifest) +
                       R"(","edgewise.sha256":")" + sha256_hex(table.data(), table.size()) +
                       R"("},"w":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}})";
  while ((8 + header.size()) % 64 != 0) header += ' ';
  std::string length(8, '\0');
  for (int i = 0; i < 8; ++i) length[i] = static_cast<char>(header.size() >> (8 * i));
  return length + header + data;
}

std::shared_ptr<const Bundle> parse(const std::string& bytes, const char* kind = "") {
  return Bundle::from_bytes(bytes.data(), bytes.size(), "small.safetensors", kind);
}

}  // namespace

TEST(typed_access) {
  const auto bundle = parse(small_bundle(), "latency");
  CHECK(bundle->kind() == "latency");
  CHECK(bundle->name() == "small");
  CHECK(bundle->names() == std::vector<std::string>{"w"});
  const float* weights = bundle->floats("w", {2, 3});
  CHECK(std::memcmp(weights, kWeights.data(), 24) == 0);
  CHECK(reinterpret_cast<std::uintptr_t>(weights) % 64 == 0);
  CHECK(bundle->tensor("w").elements() == 6);
  CHECK_THROWS(bundle->floats("w", {3, 2}), "has the shape (2,3,), not (3,2,)");
  CHECK_THROWS(bundle->doubles("w", {2, 3}), "is F32, not F64");
  CHECK_THROWS(bundle->tensor("v"), "small.safetensors: has no tensor 'v'");
  CHECK_THROWS(parse(small_bundle(), "profile"), "of kind 'latency', but 'profile' is needed");
}

TEST(a_file_is_mapped) {
  const std::string path = "test_bundle.safetensors";
  std::ofstream(path, std::ios::binary) << small_bundle();
  const auto bundle = Bundle::open(path, "latency");
  std::remove(path.c_str());  // the mapping outlives the name
  bundle->verify();
  CHECK(bundle->floats("w", {2, 3})[5] == 7.0f);
  CHECK_THROWS(Bundle::open(path), "test_bundle.safetensors: cannot be read: No such file");
  CHECK_THROWS(Bundle::open("."), "cannot be read");
  CHECK_THROWS(Bundle::open("/dev/null"), "not a regular file");
}

TEST(damage_is_found_when_the_tensor_is_used) {
  std::string bytes = small_bundle();
  bytes.back() = static_cast<char>(bytes.back() ^ 1);
  const auto bundle = parse(bytes);
  CHECK_THROWS(bundle->tensor("w"), "damaged: tensor 'w' does not match its sha256");
  CHECK_THROWS(bundle->tensor("w"), "damaged");  // and again: a failure is not remembered as good
  CHECK_THROWS(bundle->verify(), "damaged");
}

TEST(many_threads_read_one_bundle) {
  for (int round = 0; round < 20; ++round) {
    const auto bundle = parse(small_bundle());
    std::vector<std::thread> threads;
    std::vector<int> good(8, 0);
    for (std::size_t i = 0; i < good.size(); ++i) {
      threads.emplace_back([&, i] { good[i] = bundle->floats("w", {2, 3})[2] == 3.0f; });
    }
    for (std::thread& thread : threads) thread.join();
    for (const int one : good) CHECK(one == 1);
  }
}

CHECK_MAIN
