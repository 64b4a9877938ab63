#include "onnx_model.hpp"

#include <cmath>
#include <cstring>
#include <string>
#include <utility>

#include "protobuf.hpp"

namespace edgewise {
namespace {

// Fields of the schema's messages, by number.
enum Model : unsigned { kGraph = 7, kOpsetImport = 8 };
enum Opset : unsigned { kOpsetDomain = 1, kOpsetVersion = 2 };
enum Graph : unsigned {
  kNode = 1, kInitializer = 5, kInput = 11, kOutput = 12, kValueInfo = 13, kSparse = 15,
};
enum Node : unsigned {
  kNodeInput = 1, kNodeOutput = 2, kNodeName = 3, kOpType = 4, kAttribute = 5, kDomain = 7,
};
enum Attribute : unsigned {
  kAttributeName = 1, kFloat = 2, kInteger = 3, kString = 4, kTensor = 5, kFloats = 7, kIntegers = 8,
};
enum Tensor : unsigned {
  kDims = 1, kDataType = 2, kFloatData = 4, kInt32Data = 5, kInt64Data = 7, kTensorName = 8,
  kRawData = 9, kDoubleData = 10, kUint64Data = 11,
};
enum SparseTensor : unsigned { kSparseValues = 1, kSparseDims = 3 };
enum Info : unsigned { kInfoName = 1, kInfoType = 2 };
enum Type : unsigned { kTensorType = 1 };
enum TensorTypeFields : unsigned { kElementType = 1, kTypeShape = 2 };
enum Dimension : unsigned { kDimValue = 1, kDimParam = 2 };

enum DataType : std::int64_t {
  kFloat32 = 1, kUint16 = 4, kInt16 = 5, kInt32 = 6, kInt64 = 7, kFloat16 = 10, kFloat64 = 11,
  kUint32 = 12, kUint64 = 13, kComplex64 = 14, kComplex128 = 15, kBfloat16 = 16,
};

template <typename T>
std::vector<double> raw_numbers(std::string_view raw) {
  std::vector<double> numbers(raw.size() / sizeof(T));
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    T number;
    std::memcpy(&number, raw.data() + i * sizeof(T), sizeof(T));
    numbers[i] = static_cast<double>(number);
  }
  return numbers;
}

std::vector<double> raw_content(std::string_view raw, std::int64_t type) {
  switch (type) {
    case kFloat32: return raw_numbers<float>(raw);
    case kFloat64: return raw_numbers<double>(raw);
    case kInt32: return raw_numbers<std::int32_t>(raw);
    case kInt64: return raw_numbers<std::int64_t>(raw);
    default: return {};
  }
}

// The numbers of a small tensor, which stand in one of several fields.
std::vector<double> tensor_content(std::string_view message, std::int64_t type) {
  std::vector<double> content;
  std::vector<std::int64_t> integers;
  ProtoReader reader(message);
  while (reader.next()) {
    switch (reader.field()) {
      case kFloatData: reader.append_floats(content); break;
      case kDoubleData: reader.append_doubles(content); break;
      case kInt32Data:
      case kInt64Data:
      case kUint64Data: reader.append(integers); break;
      case kRawData: content = raw_content(reader.bytes(), type); break;
      default: break;
    }
  }
  for (const std::int64_t number : integers) content.push_back(static_cast<double>(number));
  return content;
}

Value parse_tensor(std::string_view message, std::string_view& name) {
  Value value;
  value.constant = true;
  std::int64_t type = 0;
  ProtoReader reader(message);
  while (reader.next()) {
    switch (reader.field()) {
      case kDims: reader.append(value.shape); break;
      case kDataType: type = reader.integer(); break;
      case kTensorName: name = reader.bytes(); break;
      default: break;
    }
  }
  check_shape(value.shape);
  set_onnx_type(value, type);
  const std::int64_t elements = value.elements();
  if (elements <= static_cast<std::int64_t>(kMaxContent)) {
    value.content = tensor_content(message, type);
    value.has_content = value.content.size() == static_cast<std::size_t>(elements);
  }
  return value;
}

Value parse_sparse(std::string_view message, std::string_view& name) {
  Value value;
  Shape dims;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.field() == kSparseValues) value = parse_tensor(reader.bytes(), name);
    if (reader.field() == kSparseDims) reader.append(dims);
  }
  check_shape(dims);
  value.shape = std::move(dims);
  value.has_content = false;
  return value;
}

void parse_dimensions(std::string_view message, OnnxInfo& info) {
  info.has_shape = true;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.field() != 1) continue;
    if (info.shape.size() == kMaxRank) fail_model("a tensor of too many dimensions");
    info.shape.push_back(-1);
    info.symbols.emplace_back();
    ProtoReader dimension(reader.bytes());
    while (dimension.next()) {
      if (dimension.field() == kDimValue) info.shape.back() = dimension.integer();
      if (dimension.field() == kDimParam) info.symbols.back() = dimension.bytes();
    }
  }
}

void parse_type(std::string_view message, OnnxInfo& info) {
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.field() != kTensorType) continue;
    ProtoReader tensor(reader.bytes());
    while (tensor.next()) {
      if (tensor.field() == kElementType) info.type = static_cast<int>(tensor.integer());
      if (tensor.field() == kTypeShape) parse_dimensions(tensor.bytes(), info);
    }
  }
}

void parse_graph(std::string_view message, OnnxModel& model) {
  ProtoReader reader(message);
  std::size_t parts = 0;
  while (reader.next()) {
    if (++parts > kMaxModelParts) {
      fail_model("more than " + std::to_string(kMaxModelParts) + " operators and tensors");
    }
    std::string_view name;
    switch (reader.field()) {
      case kNode: model.nodes.push_back(reader.bytes()); break;
      case kInitializer: {
        Value value = parse_tensor(reader.bytes(), name);
        model.initializers[name] = std::move(value);
        break;
      }
      case kSparse: {
        Value value = parse_sparse(reader.bytes(), name);
        model.initializers[name] = std::move(value);
        break;
      }
      case kInput: model.inputs.push_back(parse_onnx_info(reader.bytes())); break;
      case kOutput: model.outputs.push_back(parse_onnx_info(reader.bytes()).name); [[fallthrough]];
      case kValueInfo: {
        const OnnxInfo info = parse_onnx_info(reader.bytes());
        model.infos[info.name] = reader.bytes();
        break;
      }
      default: break;
    }
  }
}

std::string_view first_bytes(std::string_view message, unsigned field) {
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.field() == field) return reader.bytes();
  }
  return {};
}

}  // namespace

bool OnnxInfo::complete() const {
  for (const std::int64_t size : shape) {
    if (size < 1) return false;
  }
  return has_shape;
}

OnnxInfo parse_onnx_info(std::string_view message) {
  OnnxInfo info;
  ProtoReader reader(message);
  while (reader.next()) {
    if (reader.field() == kInfoName) info.name = reader.bytes();
    if (reader.field() == kInfoType) parse_type(reader.bytes(), info);
  }
  return info;
}

void set_onnx_type(Value& value, std::int64_t type) {
  value.integer = true;
  switch (type) {
    case kFloat64: value.integer = false; [[fallthrough]];
    case kInt64: case kUint64: case kComplex64: value.element_bytes = 8; break;
    case 0:  // not said
    case kFloat32: value.integer = false; [[fallthrough]];
    case kInt32: case kUint32: value.element_bytes = 4; break;
    case kFloat16: case kBfloat16: value.integer = false; [[fallthrough]];
    case kInt16: case kUint16: value.element_bytes = 2; break;
    case kComplex128: value.element_bytes = 16; break;
    default: value.element_bytes = 1;
  }
}

OnnxModel parse_onnx(std::string_view bytes) {
  OnnxModel model;
  bool graph = false;
  ProtoReader reader(bytes);
  while (reader.next()) {
    if (reader.field() == kGraph) {
      parse_graph(reader.bytes(), model);
      graph = true;
    } else if (reader.field() == kOpsetImport) {
      std::string_view domain;
      std::int64_t version = 0;
      ProtoReader opset(reader.bytes());
      while (opset.next()) {
        if (opset.field() == kOpsetDomain) domain = opset.bytes();
        if (opset.field() == kOpsetVersion) version = opset.integer();
      }
      if (domain.empty() || domain == "ai.onnx") model.opset = version;
    }
  }
  if (!graph) fail_model("truncated, or no ONNX model: it has no graph");
  return model;
}

OnnxNode::OnnxNode(std::string_view message) : message_(message) {
  ProtoReader reader(message);
  while (reader.next()) {
    switch (reader.field()) {
      case kNodeInput: inputs.push_back(reader.bytes()); break;
      case kNodeOutput: outputs.push_back(reader.bytes()); break;
      case kNodeName: name = reader.bytes(); break;
      case kOpType: op = reader.bytes(); break;
      case kDomain: domain = reader.bytes(); break;
      default: break;
    }
  }
}

std::optional<std::string_view> OnnxNode::find(std::string_view attribute) const {
  ProtoReader reader(message_);
  while (reader.next()) {
    if (reader.field() != kAttribute) continue;
    if (first_bytes(reader.bytes(), kAttributeName) == attribute) return reader.bytes();
  }
  return std::nullopt;
}

std::int64_t OnnxNode::integer(std::string_view attribute, std::int64_t absent) const {
  const auto message = find(attribute);
  if (!message) return absent;
  std::int64_t value = 0;
  ProtoReader reader(*message);
  while (reader.next()) {
    if (reader.field() == kInteger) value = reader.integer();
  }
  return value;
}

double OnnxNode::real(std::string_view attribute, double absent) const {
  const auto message = find(attribute);
  if (!message) return absent;
  double value = 0.0;
  ProtoReader reader(*message);
  while (reader.next()) {
    if (reader.field() == kFloat) value = reader.real();
  }
  return value;
}

std::string_view OnnxNode::text(std::string_view attribute) const {
  const auto message = find(attribute);
  return message ? first_bytes(*message, kString) : std::string_view();
}

std::vector<std::int64_t> OnnxNode::integers(std::string_view attribute) const {
  std::vector<std::int64_t> numbers;
  const auto message = find(attribute);
  if (!message) return numbers;
  ProtoReader reader(*message);
  while (reader.next()) {
    if (reader.field() == kIntegers) reader.append(numbers);
  }
  return numbers;
}

std::vector<double> OnnxNode::reals(std::string_view attribute) const {
  std::vector<double> numbers;
  const auto message = find(attribute);
  if (!message) return numbers;
  ProtoReader reader(*message);
  while (reader.next()) {
    if (reader.field() == kFloats) reader.append_floats(numbers);
  }
  return numbers;
}

std::optional<Value> OnnxNode::tensor(std::string_view attribute) const {
  const auto message = find(attribute);
  if (!message) return std::nullopt;
  std::string_view unused;
  return parse_tensor(first_bytes(*message, kTensor), unused);
}

}  // namespace edgewise
