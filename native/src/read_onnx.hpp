// ONNX models: a protocol buffer of the schema in onnx/onnx.proto (https://onnx.ai), of which only
// what lowering needs is read. Sizes are inferred here, operator by operator: files need not hold
// them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "edgewise/model_file.hpp"
#include "operation.hpp"

namespace edgewise {

// Whether the bytes begin as a model does; there is no magic number to look for.
bool is_onnx(const std::uint8_t* data, std::size_t size) noexcept;

// Lowers the graph, and lists its inputs. Error(kModelFile) with the cause alone.
OperationGraph read_onnx(const std::uint8_t* data, std::size_t size,
                         std::vector<ModelInput>& inputs);

}  // namespace edgewise
