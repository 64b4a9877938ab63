// Priors in latency bundles: what is read adapts to timings, or says that it cannot.
#include <cmath>

#include "edgewise/device.hpp"
#include "edgewise/latency.hpp"
#include "edgewise/network_latency.hpp"
#include "forge.hpp"

namespace {

using edgewise::Bundle;
using edgewise::ErrorKind;
using edgewise::fuzz::allowed;

void adapt(const Bundle& bundle) {
  const edgewise::NetworkPrior prior = edgewise::NetworkPrior::load(bundle);
  const std::size_t columns = edgewise::network_columns().size();
  std::vector<double> rows;
  for (std::size_t i = 0; i < 3 * columns; ++i) rows.push_back(static_cast<double>(i % 7));
  const double ms[] = {1.0, 2.0, 4.0};
  const edgewise::AdaptedNetwork adapted = prior.adapt(rows.data(), ms, 3, 2);
  double answer[9];
  adapted.predict(rows.data(), 3, 0.9, answer, answer + 3, answer + 6);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto bundle = edgewise::fuzz::forged("latency", input);
  if (bundle == nullptr) return 0;
  const auto kinds = {ErrorKind::kBundle, ErrorKind::kArgument, ErrorKind::kArchitecture};
  allowed(kinds, [&] { (void)edgewise::bundle_references(*bundle); });
  allowed(kinds, [&] {
    (void)edgewise::LatencyPrior::load(edgewise::bundle_space(*bundle), *bundle);
  });
  allowed(kinds, [&] { adapt(*bundle); });
  return 0;
}
