// Any network in a file: a TFLite or ONNX model, lowered to the kernels that a device executes.
//
// The file's own bytes are all that is needed: no flatbuffers, no protobuf. Weights are never read,
// only their shapes, so an ONNX model may lack its external data. Sizes come from the file; an
// unknown batch is 1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "edgewise/kernel.hpp"

namespace edgewise {

struct ModelInput {
  std::string name;
  std::vector<std::int64_t> shape;  // as in the file: NCHW in ONNX, NHWC in TFLite; batch first
};

struct ModelFile {
  std::string label;   // the path, or what stands for it
  std::string format;  // "tflite" or "onnx"
  std::vector<ModelInput> inputs;

  // What a runtime executes: constants folded, dead operators left out, and neighbours fused that
  // runtimes fuse (fuse.hpp). Empty when the answer does not depend on any input.
  KernelGraph graph;

  // The operators among them that no kernel describes (kOther), each name once, in order of
  // execution: "TOPK_V2", "CUSTOM:TFLite_Detection_PostProcess", "com.microsoft:FusedConv".
  std::vector<std::string> unknown;

  double macs() const noexcept;          // multiply-accumulates of one run
  double weight_bytes() const noexcept;  // of the matrices multiplied; biases left out
};

// Reads the model at `path` (bytes as the file system has them); the content tells the format.
// Error(kModelFile), naming the file and the cause, when it cannot be read, is damaged, is of
// another format, has an input of unknown size, or more than 2^18 operators or tensors.
ModelFile read_model(const std::string& path);

// The same of `size` bytes at `data`; `label` stands for the file's name.
ModelFile read_model(const void* data, std::size_t size, const std::string& label);

}  // namespace edgewise
