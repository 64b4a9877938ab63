// TFLite models: a flatbuffer of the schema that TensorFlow publishes
// (tensorflow/compiler/mlir/lite/schema/schema.fbs), of which only what lowering needs is read.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "edgewise/model_file.hpp"
#include "operation.hpp"

namespace edgewise {

bool is_tflite(const std::uint8_t* data, std::size_t size) noexcept;

// Lowers the first subgraph, and lists its inputs. Error(kModelFile) with the cause alone.
OperationGraph read_tflite(const std::uint8_t* data, std::size_t size,
                           std::vector<ModelInput>& inputs);

}  // namespace edgewise
