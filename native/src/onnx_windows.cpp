// Convolutions, pools and resizing.
#include <algorithm>
#include <cmath>
#include <limits>

#include "onnx_call.hpp"

namespace edgewise {
namespace {

// The window's attributes along each axis of the image; missing ones have their defaults.
struct Axes {
  std::vector<std::int64_t> kernel, strides, dilations, pads;
  std::string_view auto_pad;
};

std::vector<std::int64_t> sized(std::vector<std::int64_t> numbers, std::size_t count,
                                std::int64_t absent, std::string_view what) {
  if (numbers.empty()) numbers.assign(count, absent);
  if (numbers.size() != count) {
    fail_model(std::string(what) + " has " + std::to_string(numbers.size()) + " numbers, not " +
               std::to_string(count));
  }
  return numbers;
}

Axes axes_of(const OnnxCall& call, std::vector<std::int64_t> kernel, std::size_t count) {
  const OnnxNode& node = call.node();
  Axes axes;
  axes.kernel = sized(std::move(kernel), count, 1, "the window");
  axes.strides = sized(node.integers("strides"), count, 1, "strides");
  axes.dilations = sized(node.integers("dilations"), count, 1, "dilations");
  axes.pads = sized(node.integers("pads"), 2 * count, 0, "pads");
  axes.auto_pad = node.text("auto_pad");
  // Far above any network's, and small enough that no product below overflows.
  constexpr std::int64_t kMost = std::int64_t{1} << 24;
  const auto check = [](const std::vector<std::int64_t>& numbers, std::int64_t least) {
    for (const std::int64_t number : numbers) {
      if (number < least || number > kMost) {
        fail_model("a window, stride, dilation or padding of " + std::to_string(number));
      }
    }
  };
  check(axes.kernel, 1);
  check(axes.strides, 1);
  check(axes.dilations, 1);
  check(axes.pads, -kMost);
  return axes;
}

std::int64_t window_size(const Axes& axes, std::size_t i, std::int64_t size, bool up) {
  const std::int64_t stride = axes.strides[i];
  if (axes.auto_pad == "SAME_UPPER" || axes.auto_pad == "SAME_LOWER") {
    return (size + stride - 1) / stride;
  }
  const bool padded = axes.auto_pad != "VALID";
  const std::int64_t padding = padded ? axes.pads[i] + axes.pads[i + axes.kernel.size()] : 0;
  const std::int64_t room = size + padding - axes.dilations[i] * (axes.kernel[i] - 1) - 1;
  if (room < 0) fail_model("a window larger than its input");
  std::int64_t count = room / stride + 1;
  // A last window that begins in the padding behind the image is left out.
  if (up && room % stride != 0 && count * stride < size + axes.pads[i]) ++count;
  return count;
}

const Value& image(const OnnxCall& call) {
  const Value& value = call.in(0);
  if (value.shape.size() < 3) {
    fail_model("an image is needed, not a tensor of the size " + shape_text(value.shape));
  }
  return value;
}

// (N, C, ...) -> the sides.
std::size_t side_count(const Value& value) { return value.shape.size() - 2; }

Window window_of(const Axes& axes, std::int64_t groups) {
  Window window;
  const std::size_t count = axes.kernel.size();
  for (std::size_t i = 0; i + 1 < count; ++i) window.kernel_height *= axes.kernel[i];
  window.kernel_width = axes.kernel[count - 1];
  window.stride = *std::max_element(axes.strides.begin(), axes.strides.end());
  window.groups = groups;
  return window;
}

void emit_window(OnnxCall& call, KernelOp op, Shape shape, const Window& window) {
  Value input = image(call);
  input.channels_last = false;
  Value& output = call.out(std::move(shape));
  output.channels_last = false;
  if (!call.constant()) call.emit(call.lowering().window(op, input, output, window));
}

void conv(OnnxCall& call, std::size_t weights_at) {
  const Value& input = image(call);
  const Value& weights = call.in(weights_at);  // outputs, inputs of a group, sides
  const std::size_t count = side_count(input);
  if (weights.shape.size() != count + 2) {
    fail_model("weights of the size " + shape_text(weights.shape) + " for an image " +
               shape_text(input.shape));
  }
  const Axes axes = axes_of(call, {weights.shape.begin() + 2, weights.shape.end()}, count);
  const std::int64_t groups = call.node().integer("group", 1);
  if (groups < 1 || groups > input.shape[1] || weights.shape[1] * groups != input.shape[1]) {
    fail_model("weights for " + std::to_string(weights.shape[1]) + " channels in " +
               std::to_string(groups) + " groups do not fit " + std::to_string(input.shape[1]));
  }
  Shape shape = {input.shape[0], weights.shape[0]};
  for (std::size_t i = 0; i < count; ++i) {
    shape.push_back(window_size(axes, i, input.shape[i + 2], false));
  }
  emit_window(call, KernelOp::kConv, std::move(shape), window_of(axes, groups));
}

void conv_transpose(OnnxCall& call) {
  const Value& input = image(call);
  const Value& weights = call.in(1);  // inputs, outputs of a group, sides
  const std::size_t count = side_count(input);
  if (weights.shape.size() != count + 2 || weights.shape[0] != input.shape[1]) {
    fail_model("weights of the size " + shape_text(weights.shape) + " for an image " +
               shape_text(input.shape));
  }
  const Axes axes = axes_of(call, {weights.shape.begin() + 2, weights.shape.end()}, count);
  const std::int64_t groups = call.node().integer("group", 1);
  if (groups < 1 || groups > input.shape[1]) fail_model("a number of groups out of range");
  const auto extra = sized(call.node().integers("output_padding"), count, 0, "output_padding");
  const auto given = call.node().integers("output_shape");
  Shape shape = {input.shape[0], weights.shape[1] * groups};
  for (std::size_t i = 0; i < count; ++i) {
    const std::int64_t padding = axes.pads[i] + axes.pads[i + count];
    const bool same = axes.auto_pad.substr(0, 4) == "SAME";
    const std::int64_t whole = axes.strides[i] * (input.shape[i + 2] - 1) +
                               (axes.kernel[i] - 1) * axes.dilations[i] + 1 - padding;
    if (given.size() == count) {
      shape.push_back(given[i]);
    } else {
      shape.push_back(same ? input.shape[i + 2] * axes.strides[i]
                           : whole + std::clamp<std::int64_t>(extra[i], 0, 1 << 24));
    }
  }
  emit_window(call, KernelOp::kConvTranspose, std::move(shape), window_of(axes, groups));
}

void pool(OnnxCall& call, KernelOp op) {
  const Value& input = image(call);
  const std::size_t count = side_count(input);
  const Axes axes = axes_of(call, call.node().integers("kernel_shape"), count);
  const bool up = call.node().integer("ceil_mode", 0) != 0;
  Shape shape = {input.shape[0], input.shape[1]};
  for (std::size_t i = 0; i < count; ++i) {
    shape.push_back(window_size(axes, i, input.shape[i + 2], up));
  }
  emit_window(call, op, std::move(shape), window_of(axes, 1));
}

void global_pool(OnnxCall& call) {
  Value input = image(call);
  input.channels_last = false;
  Shape shape(input.shape.size(), 1);
  std::copy_n(input.shape.begin(), 2, shape.begin());
  Value& output = call.out(std::move(shape));
  output.channels_last = false;
  if (!call.constant()) call.emit(call.lowering().reduce(input, output, true));
}

Shape scaled(const Shape& shape, const std::vector<std::size_t>& axes,
             const std::vector<double>& scales) {
  Shape result = shape;
  for (std::size_t i = 0; i < axes.size(); ++i) {
    const double size = std::floor(static_cast<double>(shape[axes[i]]) * scales[i]);
    if (!(size >= 1.0 && size < std::numeric_limits<std::int32_t>::max())) {
      fail_model("resizes " + shape_text(shape) + " by " + std::to_string(scales[i]));
    }
    result[axes[i]] = static_cast<std::int64_t>(size);
  }
  return result;
}

void resize(OnnxCall& call) {
  const Value& input = call.in(0);
  std::vector<std::size_t> axes;
  for (const std::int64_t axis : call.node().integers("axes")) {
    axes.push_back(axis_index(axis, input.shape.size()));
  }
  for (std::size_t i = 0; axes.size() < input.shape.size() && !call.node().has("axes"); ++i) {
    axes.push_back(i);
  }
  Shape shape = input.shape;
  if (call.has(3) && call.in(3).elements() > 0) {
    const auto sizes = sized(call.integers(3), axes.size(), 0, "sizes");
    for (std::size_t i = 0; i < axes.size(); ++i) shape[axes[i]] = sizes[i];
  } else {
    // X, scales in the first versions; X, roi, scales, sizes later; Upsample had an attribute.
    const std::size_t place = call.count() > 2 ? 2 : 1;
    const auto scales = call.has(place) ? call.numbers(place) : call.node().reals("scales");
    if (scales.size() != axes.size()) fail_model("a scale is needed for each dimension");
    shape = scaled(input.shape, axes, scales);
  }
  Value& output = call.out(std::move(shape));
  call.emit(KernelOp::kResize, input, output);
}

}  // namespace

void add_onnx_windows(OnnxHandlers& handlers) {
  handlers["Conv"] = [](OnnxCall& call) { conv(call, 1); };
  handlers["ConvInteger"] = [](OnnxCall& call) { conv(call, 1); };
  handlers["QLinearConv"] = [](OnnxCall& call) { conv(call, 3); };
  handlers["ConvTranspose"] = conv_transpose;
  handlers["AveragePool"] = [](OnnxCall& call) { pool(call, KernelOp::kAvgPool); };
  handlers["LpPool"] = [](OnnxCall& call) { pool(call, KernelOp::kAvgPool); };
  handlers["MaxPool"] = [](OnnxCall& call) { pool(call, KernelOp::kMaxPool); };
  for (const char* name : {"GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"}) {
    handlers[name] = global_pool;
  }
  handlers["Resize"] = resize;
  handlers["Upsample"] = resize;
}

}  // namespace edgewise
