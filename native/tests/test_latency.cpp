// The latency predictor without Python: what an app that links the core sees.
#include "edgewise/latency.hpp"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "check.hpp"
#include "edgewise/error.hpp"
#include "edgewise/features.hpp"
#include "edgewise/space.hpp"

using namespace edgewise;

namespace {

const Space& space() { return get_space("nasbench201"); }

std::vector<std::uint8_t> codes_of(const std::vector<std::size_t>& indices) {
  std::vector<std::uint8_t> codes(indices.size() * space().code_length());
  for (std::size_t i = 0; i < indices.size(); ++i) {
    space().codes_of(indices[i], codes.data() + i * space().code_length());
  }
  return codes;
}

std::vector<std::size_t> every(std::size_t step) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < space().size(); i += step) indices.push_back(i);
  return indices;
}

// Independent costs about 0.1 with standard deviation 0.1.
LatencyPriorData plain_prior() {
  LatencyPriorData data;
  data.semantics = {"reachable"};
  data.semantics_log_weight = {0.0};
  data.execution = execution_table(space(), "reachable");
  const std::size_t columns = feature_columns(space()).size();
  data.mean.assign(columns, 0.1);
  data.factors.assign(columns, 0.0);
  data.factor_variance = {0.0};
  data.own_variance.assign(columns, 0.01);
  data.covariance_log_weight = {0.0};
  data.noise = {0.001, 0.1};
  data.noise_log_weight = {0.0, 0.0};
  return data;
}

std::vector<double> latencies(const std::vector<std::uint8_t>& codes, const Features& features) {
  std::vector<double> ms(codes.size() / space().code_length());
  FeatureRow row;
  for (std::size_t i = 0; i < ms.size(); ++i) {
    features.row(codes.data() + i * space().code_length(), row);
    for (int k = 0; k < row.size; ++k) ms[i] += row.value[k] * (1.0 + 0.3 * (row.column[k] % 7));
  }
  return ms;
}

bool refuses(const LatencyPriorData& data) {
  try {
    const LatencyPrior prior(space(), data);
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kArgument;
  }
  return false;
}

}  // namespace

TEST(features_of_a_network_are_its_executed_operations) {
  std::uint8_t codes[6] = {};
  space().encode("|nor_conv_3x3~0|+|none~0|none~1|+|skip_connect~0|none~1|none~2|", codes);
  for (const auto& [semantics, size] : {std::pair<std::string, int>{"all", 3}, {"live", 2}}) {
    const std::vector<double> table = execution_table(space(), semantics);
    FeatureRow row;
    make_features(space(), table.data())->row(codes, row);
    CHECK(row.size == size);
    CHECK(row.column[row.size - 1] + 1u == feature_columns(space()).size());
  }
}

TEST(many_timings_of_an_additive_device_are_reproduced) {
  const LatencyPrior prior(space(), plain_prior());
  const auto timed = codes_of(every(101));
  const auto features = make_features(space(), prior.data().execution.data());
  const std::vector<double> ms = latencies(timed, *features);
  const AdaptedLatency device = prior.adapt(timed.data(), ms.data(), ms.size());

  const auto query = codes_of(every(37));
  const std::vector<double> truth = latencies(query, *features);
  std::vector<double> mean(truth.size()), low(truth.size()), high(truth.size());
  device.predict(query.data(), truth.size(), 0.9, mean.data(), low.data(), high.data());
  double worst = 0.0;
  for (std::size_t i = 0; i < truth.size(); ++i) {
    worst = std::max(worst, std::abs(mean[i] / truth[i] - 1.0));
  }
  CHECK(worst < 0.01);
  CHECK(device.posterior().noise() < 0.01);
}

TEST(an_unsteady_device_has_wider_intervals_and_the_same_milliseconds) {
  const LatencyPrior prior(space(), plain_prior());
  const auto timed = codes_of(every(1001));
  const auto features = make_features(space(), prior.data().execution.data());
  const std::vector<double> ms = latencies(timed, *features);
  const AdaptedLatency steady = prior.adapt(timed.data(), ms.data(), ms.size());
  const AdaptedLatency unsteady = prior.adapt(timed.data(), ms.data(), ms.size(), 0.1);
  const auto query = codes_of(every(500));
  const double reach = steady.posterior().reach(0.9);
  for (std::size_t i = 0; i < query.size() / space().code_length(); ++i) {
    double mean[2], low[2], high[2];
    const std::uint8_t* codes = query.data() + i * space().code_length();
    steady.predict(codes, 1, 0.9, mean, low, high);
    unsteady.predict(codes, 1, 0.9, mean + 1, low + 1, high + 1);
    CHECK(mean[0] == mean[1]);
    // Variances add, in the logarithm.
    const double before = std::log(high[0] / mean[0]);
    const double after = std::log(high[1] / mean[1]);
    CHECK(std::abs(std::sqrt(after * after - before * before) - 0.1 * reach) < 1e-6);
    CHECK(low[1] < low[0]);
  }
}

TEST(references_differ_and_start_with_the_most_telling) {
  const LatencyPrior prior(space(), plain_prior());
  const auto candidates = codes_of(every(11));
  const std::size_t n = candidates.size() / space().code_length();
  const auto five = choose_references(prior.belief(), 0.25, space(), candidates.data(), n, 5);
  const auto ten = choose_references(prior.belief(), 0.25, space(), candidates.data(), n, 10);
  CHECK(std::equal(five.begin(), five.end(), ten.begin()));
  for (std::size_t i = 0; i < ten.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) CHECK(ten[i] != ten[j]);
    CHECK(space().connected(candidates.data() + ten[i] * space().code_length()));
  }
}

TEST(a_prior_that_does_not_fit_together_is_refused) {
  CHECK(!refuses(plain_prior()));
  LatencyPriorData data = plain_prior();
  data.mean.pop_back();
  CHECK(refuses(data));
  data = plain_prior();
  data.noise[0] = 0.0;
  CHECK(refuses(data));
  data = plain_prior();
  data.semantics.clear();
  CHECK(refuses(data));
  data = plain_prior();
  data.own_variance[0] = std::nan("");
  CHECK(refuses(data));
  data = plain_prior();
  data.factor_variance[0] = -1.0;
  CHECK(refuses(data));
  data = plain_prior();
  data.factors.pop_back();
  CHECK(refuses(data));
}

CHECK_MAIN
