// The prior as it lies in a latency bundle: one F64 tensor a field, names as U8 text.
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include "edgewise/bundle.hpp"
#include "edgewise/error.hpp"
#include "edgewise/latency.hpp"
#include "edgewise/space.hpp"
#include "latency_load.hpp"

namespace edgewise {

namespace {

[[noreturn]] void fail(const Bundle& bundle, const std::string& cause) {
  throw Error(ErrorKind::kBundle, bundle.label() + ": " + cause);
}

const Tensor& field(const Bundle& bundle, const std::string& name, DType dtype) {
  const Tensor& tensor = bundle.tensor(name);
  if (tensor.dtype != dtype) {
    fail(bundle, "tensor " + tensor.name + " is " + dtype_name(tensor.dtype) + ", not " +
                     dtype_name(dtype));
  }
  return tensor;
}

std::vector<double> numbers(const Bundle& bundle, const std::string& name) {
  const Tensor& tensor = field(bundle, name, DType::kF64);
  std::vector<double> values(tensor.elements());
  if (!values.empty()) std::memcpy(values.data(), tensor.data, tensor.bytes);
  return values;
}

std::vector<std::string> lines(const Bundle& bundle, const std::string& name) {
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

std::vector<double> bundle_numbers(const Bundle& bundle, const std::string& name,
                                   std::size_t count) {
  std::vector<double> values = numbers(bundle, name);
  if (values.size() != count) {
    fail(bundle, "tensor " + name + " must hold " + std::to_string(count) +
                     (count == 1 ? " number" : " numbers"));
  }
  return values;
}

LatencyPriorData load_prior(const Bundle& bundle, const std::string& prefix) {
  LatencyPriorData data;
  data.semantics = lines(bundle, prefix + "semantics");
  data.semantics_log_weight = numbers(bundle, prefix + "semantics_log_weight");
  data.mean = numbers(bundle, prefix + "mean");
  data.factors = numbers(bundle, prefix + "factors");
  data.factor_variance = numbers(bundle, prefix + "factor_variance");
  data.own_variance = numbers(bundle, prefix + "own_variance");
  data.covariance_log_weight = numbers(bundle, prefix + "covariance_log_weight");
  data.noise = numbers(bundle, prefix + "noise");
  data.noise_log_weight = numbers(bundle, prefix + "noise_log_weight");
  const std::vector<double> settings = bundle_numbers(bundle, prefix + "settings", 2);
  data.floor = settings[0];
  data.interval_scale = settings[1];
  return data;
}

LatencyPrior LatencyPrior::load(const Space& space, const Bundle& bundle) {
  LatencyPriorData data = load_prior(bundle, "edgewise.");
  data.execution = numbers(bundle, "edgewise.execution");
  try {
    return LatencyPrior(space, std::move(data));
  } catch (const Error& error) {
    fail(bundle, error.what());
  }
}

}  // namespace edgewise
