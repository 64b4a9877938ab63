// The prior as it lies in a latency bundle: one F64 tensor a field, names as U8 text.
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "edgewise/bundle.hpp"
#include "edgewise/error.hpp"
#include "edgewise/latency.hpp"
#include "edgewise/space.hpp"

namespace edgewise {

namespace {

[[noreturn]] void fail(const Bundle& bundle, const std::string& cause) {
  throw Error(ErrorKind::kBundle, bundle.label() + ": " + cause);
}

const Tensor& field(const Bundle& bundle, const char* name, DType dtype) {
  const Tensor& tensor = bundle.tensor(std::string("edgewise.") + name);
  if (tensor.dtype != dtype) {
    fail(bundle, "tensor " + tensor.name + " is " + dtype_name(tensor.dtype) + ", not " +
                     dtype_name(dtype));
  }
  return tensor;
}

std::vector<double> numbers(const Bundle& bundle, const char* name) {
  const Tensor& tensor = field(bundle, name, DType::kF64);
  std::vector<double> values(tensor.elements());
  std::memcpy(values.data(), tensor.data, tensor.bytes);
  return values;
}

std::vector<std::string> lines(const Bundle& bundle, const char* name) {
  const Tensor& tensor = field(bundle, name, DType::kU8);
  std::vector<std::string> items(1);
  for (std::size_t i = 0; i < tensor.bytes; ++i) {
    const char c = static_cast<char>(tensor.data[i]);
    if (c == '\n') {
      items.emplace_back();
    } else {
      items.back() += c;
    }
  }
  return items;
}

}  // namespace

LatencyPrior LatencyPrior::load(const Space& space, const Bundle& bundle) {
  LatencyPriorData data;
  data.semantics = lines(bundle, "semantics");
  data.semantics_log_weight = numbers(bundle, "semantics_log_weight");
  data.execution = numbers(bundle, "execution");
  data.mean = numbers(bundle, "mean");
  data.factors = numbers(bundle, "factors");
  data.factor_variance = numbers(bundle, "factor_variance");
  data.own_variance = numbers(bundle, "own_variance");
  data.covariance_log_weight = numbers(bundle, "covariance_log_weight");
  data.noise = numbers(bundle, "noise");
  data.noise_log_weight = numbers(bundle, "noise_log_weight");
  const std::vector<double> settings = numbers(bundle, "settings");
  if (settings.size() != 2) fail(bundle, "tensor edgewise.settings must hold two numbers");
  data.floor = settings[0];
  data.interval_scale = settings[1];
  try {
    return LatencyPrior(space, std::move(data));
  } catch (const Error& error) {
    fail(bundle, error.what());
  }
}

}  // namespace edgewise
