#include "edgewise/model_file.hpp"

#include <memory>
#include <unordered_set>
#include <utility>

#include "edgewise/error.hpp"
#include "file_map.hpp"
#include "fuse.hpp"
#include "model_value.hpp"
#include "read_onnx.hpp"
#include "read_tflite.hpp"

namespace edgewise {
namespace {

void keep(ModelFile& model, OperationGraph graph) {
  model.graph.reserve(graph.operations.size());
  std::unordered_set<std::string> seen;
  for (Operation& operation : graph.operations) {
    const std::string& name = operation.unknown;
    if (!name.empty() && seen.insert(name).second) model.unknown.push_back(name);
    model.graph.push_back(std::move(operation.kernel));
  }
}

ModelFile parse(const std::uint8_t* data, std::size_t size) {
  ModelFile model;
  if (is_tflite(data, size)) {
    model.format = "tflite";
    keep(model, fuse(read_tflite(data, size, model.inputs)));
  } else if (is_onnx(data, size)) {
    model.format = "onnx";
    keep(model, fuse(read_onnx(data, size, model.inputs)));
  } else {
    fail_model(size == 0 ? "the file is empty" : "neither a TFLite nor an ONNX model");
  }
  return model;
}

ModelFile labelled(const std::uint8_t* data, std::size_t size, const std::string& label) {
  try {
    ModelFile model = parse(data, size);
    model.label = label;
    return model;
  } catch (const Error& error) {
    throw Error(ErrorKind::kModelFile, label + ": " + error.what());
  }
}

}  // namespace

double ModelFile::macs() const noexcept {
  double sum = 0.0;
  for (const Kernel& kernel : graph) sum += kernel.macs();
  return sum;
}

double ModelFile::weight_bytes() const noexcept {
  double sum = 0.0;
  for (const Kernel& kernel : graph) sum += kernel.weight_bytes();
  return sum;
}

ModelFile read_model(const std::string& path) {
  std::unique_ptr<FileMap> file;
  try {
    file = FileMap::map(path);
  } catch (const Error& error) {
    throw Error(ErrorKind::kModelFile, path + ": " + error.what());
  }
  return labelled(file->data(), file->size(), path);
}

ModelFile read_model(const void* data, std::size_t size, const std::string& label) {
  return labelled(static_cast<const std::uint8_t*>(data), size, label);
}

}  // namespace edgewise
