// The parts of an ONNX file, as its schema names them. Nodes and attributes are read when they are
// asked for; nothing is copied but small tensors.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "model_value.hpp"

namespace edgewise {

// A dimension is -1 where the file gives no number.
struct OnnxInfo {
  std::string_view name;
  int type = 0;
  bool has_shape = false;
  Shape shape;
  std::vector<std::string_view> symbols;  // what the file calls a dimension, if anything

  bool complete() const;  // whether every dimension is known
};

class OnnxNode {
 public:
  explicit OnnxNode(std::string_view message);

  std::string_view name, op, domain;
  std::vector<std::string_view> inputs, outputs;

  bool has(std::string_view attribute) const { return find(attribute).has_value(); }
  std::int64_t integer(std::string_view attribute, std::int64_t absent) const;
  double real(std::string_view attribute, double absent) const;
  std::string_view text(std::string_view attribute) const;
  std::vector<std::int64_t> integers(std::string_view attribute) const;
  std::vector<double> reals(std::string_view attribute) const;
  std::optional<Value> tensor(std::string_view attribute) const;

 private:
  std::optional<std::string_view> find(std::string_view attribute) const;

  std::string_view message_;
};

struct OnnxModel {
  std::int64_t opset = 0;
  std::vector<std::string_view> nodes;  // messages
  std::unordered_map<std::string_view, Value> initializers;
  std::vector<OnnxInfo> inputs;
  std::vector<std::string_view> outputs;
  std::unordered_map<std::string_view, std::string_view> infos;  // name -> message
};

OnnxModel parse_onnx(std::string_view bytes);
OnnxInfo parse_onnx_info(std::string_view message);

// Sets the element size of a TensorProto.DataType.
void set_onnx_type(Value& value, std::int64_t type);

}  // namespace edgewise
