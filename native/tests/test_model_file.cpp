// Model files from C++: two formats of one network, and files that are cut, changed or made to
// harm, which the sanitizers watch. What single operators become is in tests/sdk/test_model_file.py.
#include <algorithm>
#include <cstdint>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "edgewise/error.hpp"
#include "edgewise/memory.hpp"
#include "edgewise/model_file.hpp"

using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::KernelOp;
using edgewise::ModelFile;
using edgewise::read_model;

namespace {

const std::vector<std::string> kFiles = {"image.onnx", "image.tflite"};

std::string path_of(const std::string& name) { return EDGEWISE_TEST_DATA "/" + name; }

std::string content(const std::string& name) {
  std::ifstream stream(path_of(name), std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

// Reads bytes that may be anything: a model comes out, or one Error of the right kind. The bytes
// lie in a block of their very size, so that the sanitizers see a read past their end.
bool survives(const std::string& bytes) {
  const std::vector<char> exact(bytes.begin(), bytes.end());
  try {
    const ModelFile model = read_model(exact.data(), exact.size(), "file");
    edgewise::memory(model.graph);
    for (std::size_t i = 0; i < model.graph.size(); ++i) {
      for (const int input : model.graph[i].inputs) {
        if (input >= static_cast<int>(i)) return false;
      }
    }
    return true;
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kModelFile && std::string(error.what()).find("file: ") == 0;
  }
}

std::size_t count(const ModelFile& model, KernelOp op) {
  return static_cast<std::size_t>(std::count_if(
      model.graph.begin(), model.graph.end(),
      [op](const edgewise::Kernel& kernel) { return kernel.op == op; }));
}

}  // namespace

TEST(both_formats_hold_one_network) {
  const ModelFile onnx = read_model(path_of("image.onnx"));
  const ModelFile tflite = read_model(path_of("image.tflite"));
  CHECK(onnx.format == "onnx");
  CHECK(tflite.format == "tflite");
  CHECK(onnx.macs() > 0 && onnx.macs() == tflite.macs());
  CHECK(onnx.weight_bytes() == tflite.weight_bytes());
  CHECK(onnx.unknown.empty() && tflite.unknown.empty());
  CHECK(onnx.inputs.size() == 1);
  CHECK((onnx.inputs[0].shape == std::vector<std::int64_t>{1, 3, 32, 32}));
  for (const KernelOp op : {KernelOp::kConv, KernelOp::kConvTranspose, KernelOp::kLinear,
                            KernelOp::kMaxPool, KernelOp::kConcat, KernelOp::kSigmoid}) {
    CHECK(count(onnx, op) > 0 && count(onnx, op) == count(tflite, op));
  }
}

TEST(files_that_are_none) {
  CHECK_THROWS(read_model("absent.onnx"), "absent.onnx: cannot be read: No such file");
  CHECK_THROWS(read_model("", 0, "file"), "file: the file is empty");
  CHECK_THROWS(read_model("\x89PNG....", 8, "file"), "neither a TFLite nor an ONNX model");
}

TEST(every_truncation) {
  for (const std::string& name : kFiles) {
    const std::string whole = content(name);
    CHECK(whole.size() > 1000);
    for (std::size_t size = 0; size < whole.size(); ++size) {
      const std::string bytes = whole.substr(0, size);
      if (!survives(bytes)) check::fail(__FILE__, __LINE__, name + " cut to " + std::to_string(size));
    }
  }
}

TEST(bytes_changed_at_random) {
  constexpr int kRounds = 6000;
  const std::vector<int> likely = {0x00, 0x01, 0x7f, 0x80, 0xff};
  for (const std::string& name : kFiles) {
    const std::string whole = content(name);
    std::mt19937 random(7);
    for (int round = 0; round < kRounds; ++round) {
      std::string bytes = whole;
      const std::size_t changes = 1 + random() % 3;
      for (std::size_t i = 0; i < changes; ++i) {
        const bool pick = random() % 2 == 0;
        const int byte = pick ? likely[random() % likely.size()] : static_cast<int>(random() % 256);
        bytes[random() % bytes.size()] = static_cast<char>(byte);
      }
      if (!survives(bytes)) {
        check::fail(__FILE__, __LINE__, name + ", round " + std::to_string(round));
      }
    }
  }
}

TEST(noise) {
  std::mt19937 random(3);
  for (int round = 0; round < 3000; ++round) {
    std::string bytes(random() % 300, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    if (round % 2 == 0 && bytes.size() >= 8) bytes.replace(4, 4, "TFL3");
    if (round % 2 == 1 && !bytes.empty()) bytes[0] = 0x3a;  // a graph
    if (!survives(bytes)) check::fail(__FILE__, __LINE__, "round " + std::to_string(round));
  }
}

CHECK_MAIN
