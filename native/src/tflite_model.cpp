#include "tflite_model.hpp"

#include <algorithm>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

// Fields of the schema's tables, by number.
enum Model : unsigned { kOperatorCodes = 1, kSubgraphs = 2, kBuffers = 4 };
enum Graph : unsigned { kTensors = 0, kOperators = 3 };
enum Tensor : unsigned { kShape = 0, kType, kBuffer, kName, kShapeSignature = 7 };
enum Buffer : unsigned { kData = 0, kOffset, kSize };
enum Code : unsigned { kDeprecatedCode = 0, kCustomCode = 1, kBuiltinCode = 3 };
enum Operator : unsigned { kOpcodeIndex = 0, kOptions2 = 12 };

enum TensorType : std::int8_t {
  kFloat32, kFloat16, kInt32, kUint8, kInt64, kString, kBool, kInt16, kComplex64, kInt8, kFloat64,
  kComplex128, kUint64, kResource, kVariant, kUint32, kUint16, kInt4, kBfloat16,
};

constexpr int kCustom = 32, kComposite = 206;

int element_bytes(std::int8_t type) {
  switch (type) {
    case kFloat16: case kInt16: case kUint16: case kBfloat16: return 2;
    case kFloat32: case kInt32: case kUint32: return 4;
    case kInt64: case kUint64: case kFloat64: case kComplex64: return 8;
    case kComplex128: return 16;
    default: return 1;
  }
}

template <typename T>
std::vector<double> numbers(const FlatNumbers<std::uint8_t>& bytes) {
  std::vector<double> all(bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < all.size(); ++i) {
    T number;
    std::memcpy(&number, bytes.data() + i * sizeof(T), sizeof(T));
    all[i] = static_cast<double>(number);
  }
  return all;
}

}  // namespace

TfliteModel::TfliteModel(FlatBytes bytes)
    : bytes_(bytes),
      model_(FlatTable::root(bytes)),
      graph_(first_graph(model_)),
      codes_(model_.tables(kOperatorCodes)),
      buffers_(model_.tables(kBuffers)),
      tensors_(graph_.tables(kTensors)),
      operators_(graph_.tables(kOperators)) {
  if (tensors_.size() > kMaxModelParts || operators_.size() > kMaxModelParts) {
    fail_model("more than " + std::to_string(kMaxModelParts) + " operators or tensors");
  }
}

FlatTable TfliteModel::first_graph(const FlatTable& model) {
  const FlatTables graphs = model.tables(kSubgraphs);
  if (graphs.size() == 0) fail_model("the model has no graph");
  return graphs[0];
}

Value TfliteModel::value(std::size_t tensor) const {
  const FlatTable table = tensors_[tensor];
  const auto sizes = table.numbers<std::int32_t>(kShape);
  if (sizes.size() > kMaxRank) fail_model("a tensor of too many dimensions");
  Value value;
  for (std::size_t i = 0; i < sizes.size(); ++i) value.shape.push_back(sizes[i]);
  const auto type = table.number<std::int8_t>(kType, kFloat32);
  value.element_bytes = element_bytes(type);
  value.integer = type != kFloat32 && type != kFloat16;
  value.channels_last = true;
  const auto buffer = table.number<std::uint32_t>(kBuffer, 0);
  if (buffer != 0) {
    const FlatTable content = buffers_[buffer];
    // Of large models the elements lie behind the flatbuffer, at an offset of more than 1.
    value.constant = content.numbers<std::uint8_t>(kData).size() > 0 ||
                     content.number<std::uint64_t>(kOffset, 0) > 1;
  }
  return value;
}

std::string_view TfliteModel::name(std::size_t tensor) const { return tensors_[tensor].text(kName); }

std::vector<std::size_t> TfliteModel::unknown_sizes(std::size_t tensor) const {
  const auto signature = tensors_[tensor].numbers<std::int32_t>(kShapeSignature);
  std::vector<std::size_t> unknown;
  for (std::size_t i = 0; i < std::min(signature.size(), kMaxRank); ++i) {
    if (signature[i] < 0) unknown.push_back(i);
  }
  return unknown;
}

std::vector<double> TfliteModel::content(std::size_t tensor) const {
  const FlatTable table = tensors_[tensor];
  const auto buffer = table.number<std::uint32_t>(kBuffer, 0);
  if (buffer == 0) return {};
  const auto bytes = buffers_[buffer].numbers<std::uint8_t>(kData);
  if (bytes.size() > kMaxContent * sizeof(double)) return {};
  switch (table.number<std::int8_t>(kType, kFloat32)) {
    case kFloat32: return numbers<float>(bytes);
    case kInt32: return numbers<std::int32_t>(bytes);
    case kInt64: return numbers<std::int64_t>(bytes);
    default: return {};
  }
}

FlatTable TfliteModel::operator_code(const FlatTable& op) const {
  return codes_[op.number<std::uint32_t>(kOpcodeIndex, 0)];
}

int TfliteModel::code(const FlatTable& op) const {
  const FlatTable entry = operator_code(op);
  // Files from before the schema had more than 127 operators have the first field alone.
  return std::max<int>(entry.number<std::int32_t>(kBuiltinCode, 0),
                       entry.number<std::int8_t>(kDeprecatedCode, 0));
}

std::string TfliteModel::unknown_name(const FlatTable& op) const {
  const int number = code(op);
  const std::string name(tflite_operator_name(number));
  if (name.empty()) return "BUILTIN:" + std::to_string(number);
  if (number == kCustom) {
    return name + ":" + printable(operator_code(op).text(kCustomCode));
  }
  if (number == kComposite) {
    const auto options = op.table(kOptions2);
    if (options) return name + ":" + printable(options->text(0));
  }
  return name;
}

}  // namespace edgewise
