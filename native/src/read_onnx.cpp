#include "read_onnx.hpp"

#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "edgewise/error.hpp"
#include "lowering.hpp"
#include "onnx_call.hpp"
#include "onnx_model.hpp"
#include "protobuf.hpp"

namespace edgewise {
namespace {

constexpr std::int64_t kOldestOpset = 7;  // before it, broadcasting was said in attributes

const OnnxHandlers& handlers() {
  static const OnnxHandlers all = [] {
    OnnxHandlers table;
    add_onnx_windows(table);
    add_onnx_products(table);
    add_onnx_elements(table);
    add_onnx_moves(table);
    add_onnx_sizes(table);
    return table;
  }();
  return all;
}

std::string full_name(const OnnxNode& node) {
  const bool standard = node.domain.empty() || node.domain == "ai.onnx";
  return (standard ? std::string() : printable(node.domain) + ":") + printable(node.op);
}

class OnnxLowering {
 public:
  explicit OnnxLowering(OnnxModel model) : model_(std::move(model)) {
    if (model_.opset < kOldestOpset) {
      fail_model("opset " + std::to_string(model_.opset) +
                 " is too old; convert the model to opset 13 (onnx.version_converter)");
    }
    values_ = std::move(model_.initializers);
  }

  OperationGraph run(std::vector<ModelInput>& inputs) {
    for (const OnnxInfo& info : model_.inputs) read_input(info, inputs);
    for (const std::string_view message : model_.nodes) lower_named(OnnxNode(message));
    std::vector<int> outputs;
    for (const std::string_view name : model_.outputs) {
      const auto found = values_.find(name);
      if (found == values_.end()) {
        fail_model("nothing computes the output '" + printable(name) + "'");
      }
      if (!found->second.constant) outputs.push_back(found->second.source);
    }
    return lowering_.finish(std::move(outputs));
  }

 private:
  void read_input(const OnnxInfo& info, std::vector<ModelInput>& inputs) {
    if (values_.count(info.name) == 1) return;  // before IR version 4, weights were inputs too
    const std::string name = printable(info.name);
    if (!info.has_shape) {
      fail_model("input '" + name + "' has no shape; export the model with fixed shapes");
    }
    Value value;
    value.shape = info.shape;
    for (std::size_t axis = 0; axis < value.shape.size(); ++axis) {
      if (value.shape[axis] > 0) continue;
      if (axis > 0) {
        const std::string symbol = printable(info.symbols[axis]);
        fail_model("input '" + name + "' has an unknown size (dimension " + std::to_string(axis) +
                   (symbol.empty() ? "" : ", '" + symbol + "'") +
                   "); export the model with fixed shapes");
      }
      value.shape[0] = 1;  // a batch of any size
    }
    check_shape(value.shape);
    set_onnx_type(value, info.type);
    value.channels_last = value.shape.size() < 4;
    if (inputs.empty() && !value.shape.empty()) {
      batch_ = value.shape[0];
      lowering_.set_batch(batch_);
    }
    value.source = Kernel::kInput - static_cast<int>(inputs.size());
    inputs.push_back({name, value.shape});
    values_.emplace(info.name, std::move(value));
  }

  void lower_named(const OnnxNode& node) {
    try {
      lower(node);
    } catch (const Error& error) {
      const std::string_view output = node.outputs.empty() ? "" : node.outputs[0];
      fail_model("node '" + printable(node.name.empty() ? output : node.name) + "' (" +
                 full_name(node) + "): " + error.what());
    }
  }

  void lower(const OnnxNode& node) {
    OnnxCall call(node, model_.opset, inputs_of(node), lowering_);
    const OnnxHandler* handler = find_handler(node);
    if (handler != nullptr) {
      (*handler)(call);
      if (call.constant()) fold_onnx(call);
    } else {
      lower_unknown(call);
    }
    for (std::size_t i = 0; i < node.outputs.size(); ++i) {
      if (node.outputs[i].empty()) continue;
      keep(node.outputs[i], i < call.outputs().size() ? call.outputs()[i] : unknown_value(node));
    }
  }

  void keep(std::string_view name, Value value) {
    if (values_.size() >= kMaxModelParts) fail_model("too many tensors");
    if (!values_.emplace(name, std::move(value)).second) {
      fail_model("computes '" + printable(name) + "' a second time");
    }
  }

  std::vector<const Value*> inputs_of(const OnnxNode& node) const {
    std::vector<const Value*> inputs;
    for (const std::string_view name : node.inputs) {
      const auto found = values_.find(name);
      if (!name.empty() && found == values_.end()) {
        fail_model("reads '" + printable(name) + "', which nothing before it computes");
      }
      inputs.push_back(name.empty() ? nullptr : &found->second);
    }
    return inputs;
  }

  static const OnnxHandler* find_handler(const OnnxNode& node) {
    // Operators of ONNX Runtime by the names of standard ones are those.
    const bool readable = node.domain.empty() || node.domain == "ai.onnx" ||
                          node.domain == "com.microsoft";
    const auto found = handlers().find(node.op);
    return readable && found != handlers().end() ? &found->second : nullptr;
  }

  static Value unknown_value(const OnnxNode& node) {
    Value value;
    value.known = false;
    value.origin = "'" + printable(node.op) + "' of node '" + printable(node.name) + "'";
    return value;
  }

  // An operator that is not known here: its sizes are those in the file, if they are there.
  void lower_unknown(OnnxCall& call) {
    const OnnxNode& node = call.node();
    std::vector<const Value*> read;
    const Value* first = nullptr;
    for (std::size_t i = 0; i < call.count(); ++i) {
      if (!call.has(i)) continue;
      read.push_back(call.peek(i));
      if (first == nullptr && !call.peek(i)->constant && call.peek(i)->known) first = call.peek(i);
    }
    for (const std::string_view output : node.outputs) {
      call.outputs().push_back(stored_value(call, output));
    }
    if (call.constant() && !read.empty()) return;
    Operation operation;
    if (first != nullptr) {
      const bool known = !call.outputs().empty() && call.outputs()[0].known;
      operation = lowering_.make(KernelOp::kOther, *first, known ? call.outputs()[0] : *first);
      operation.kernel.inputs.clear();
    }
    operation.kernel.op = KernelOp::kOther;
    for (const Value* value : read) {
      if (!value->constant) operation.kernel.inputs.push_back(value->source);
    }
    operation.unknown = full_name(node);
    const int source = lowering_.add(std::move(operation));
    for (Value& value : call.outputs()) value.source = source;
  }

  // A tensor as the file describes it.
  Value stored_value(const OnnxCall& call, std::string_view name) const {
    Value value = unknown_value(call.node());
    value.constant = call.constant() && call.count() > 0;
    const auto found = model_.infos.find(name);
    if (found == model_.infos.end()) return value;
    OnnxInfo info = parse_onnx_info(found->second);
    if (!info.shape.empty() && info.shape[0] < 1) info.shape[0] = batch_;
    if (!info.complete()) return value;
    check_shape(info.shape);
    value.shape = info.shape;
    value.known = true;
    set_onnx_type(value, info.type);
    return value;
  }

  OnnxModel model_;
  Lowering lowering_;
  std::int64_t batch_ = 1;
  std::unordered_map<std::string_view, Value> values_;
};

}  // namespace

// The first field of a model: one of those that the schema has, and of its type.
bool is_onnx(const std::uint8_t* data, std::size_t size) noexcept {
  if (size == 0) return false;
  const unsigned field = data[0] >> 3;
  const unsigned wire = data[0] & 7;
  const bool number = field == 1 || field == 5;  // versions
  const bool text = (field >= 2 && field <= 4) || (field >= 6 && field <= 8) || field == 14;
  return (number && wire == 0) || (text && wire == 2);
}

OperationGraph read_onnx(const std::uint8_t* data, std::size_t size,
                         std::vector<ModelInput>& inputs) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  return OnnxLowering(parse_onnx(bytes)).run(inputs);
}

}  // namespace edgewise
