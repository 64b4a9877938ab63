// A calibrated device of the `edgewise` predictor, with what it was calibrated by: for programs in
// C and C++. (The Python package keeps a device of its own, which may also be of other predictors.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "edgewise/bundle.hpp"
#include "edgewise/latency.hpp"
#include "edgewise/profile.hpp"
#include "edgewise/space.hpp"

namespace edgewise {

// The space of a latency bundle and the architectures to time, the most telling first.
// Error(kBundle) for another bundle, or one without the `edgewise` predictor.
const Space& bundle_space(const Bundle& bundle);
std::vector<std::string> bundle_references(const Bundle& bundle);

// What the program that times says of the device; for people who read the profile.
struct DeviceNotes {
  std::string device = "unknown";  // its name: a board or a CPU
  std::string runtime;             // what ran the networks, if it was said
  int threads = 1;
  double seconds = 0.0;  // that timing took
};

// Thread-safety: all members may be called from any number of threads.
class Device {
 public:
  // Milliseconds of an architecture; any that is not positive and finite is refused.
  using Measure = std::function<double(const std::string& arch)>;

  // Takes the prediction of architecture `i`, ms, into the caller's `out`.
  using Take = void (*)(void* out, std::size_t i, double ms, double low, double high);

  // Calibrates by the timings of `archs` (architectures of the bundle's space), ms (one each).
  // Error(kArchitecture), or Error(kMeasurement) naming the architecture.
  Device(std::shared_ptr<const Bundle> bundle, const std::vector<std::string>& archs,
         const std::vector<double>& ms, const DeviceNotes& notes);

  // Restores what `profile`, out of `file`, holds. `bundle` may be null: see resolve().
  // Error(kProfile) when it is of another predictor or bundle.
  Device(Profile profile, std::shared_ptr<const Bundle> bundle, const std::string& file);

  // Milliseconds of the first `samples` references of the bundle, asked of `measure` in order.
  // Error(kArgument) when there are not so many.
  static std::vector<double> time_references(const std::vector<std::string>& references,
                                             std::size_t samples, const Measure& measure);

  const Space& space() const noexcept { return prior_.space(); }

  // `n` predictions by one state of the device, handed to `take` in order; allocates nothing.
  // Error(kArchitecture) naming the architecture, Error(kArgument) unless 0 < confidence < 1.
  void predict(const char* const* archs, std::size_t n, double confidence, Take take,
               void* out) const;

  // The candidate whose timing would teach most. Without candidates: of all architectures that are
  // not timed yet, or in spaces too large to list, of the bundle's references.
  // Error(kArgument) when there is none.
  std::string next_reference(const std::vector<std::string>& candidates) const;

  // Adds a timing, or replaces that of the same architecture, and adapts again. Predictions that
  // run meanwhile are by the old state.
  void update(const std::string& arch, double ms);

  Profile profile() const;  // what is saved: `info` has the noise and semantics found
  double noise() const;     // relative, of the timings as the predictor sees it
  std::vector<double> embedding() const;

 private:
  struct State {
    Profile profile;
    AdaptedLatency adapted;
  };

  std::shared_ptr<const State> state() const;
  std::shared_ptr<const State> adapt(Profile profile) const;
  std::vector<std::uint8_t> candidates_left(const Profile& profile) const;

  std::shared_ptr<const Bundle> bundle_;
  LatencyPrior prior_;
  std::shared_ptr<const State> state_;
  mutable std::mutex mutex_;   // of state_
  std::mutex updating_;        // one update at a time, none is lost
};

}  // namespace edgewise
