#include "edgewise/device.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <ctime>
#include <thread>
#include <unordered_set>
#include <utility>

#include "edgewise/error.hpp"
#include "edgewise/version.h"
#include "json.hpp"

#if !defined(_WIN32)
#include <sys/utsname.h>
#endif

namespace edgewise {
namespace {

using nlohmann::json;

// Codes of the longest architecture of any space, and how many are parsed at a time.
constexpr std::size_t kMostCodes = 64;
constexpr std::size_t kBatch = 16;

json latency_manifest(const Bundle& bundle) {
  if (bundle.kind() != "latency") {
    throw Error(ErrorKind::kBundle, bundle.label() + ": a bundle of kind '" +
                                        printable(bundle.kind()) + "', but 'latency' is needed");
  }
  return parse_object(bundle.manifest(), "the manifest");
}

double valid_ms(const std::string& arch, double ms) {
  if (std::isfinite(ms) && ms > 0.0) return ms;
  throw Error(ErrorKind::kMeasurement, "the timing of " + arch +
                                           " must be a positive number of ms, not " +
                                           std::to_string(ms));
}

std::string now() {
  const std::time_t seconds = std::time(nullptr);
  std::tm utc{};
#if defined(_WIN32)
  ::gmtime_s(&utc, &seconds);
#else
  ::gmtime_r(&seconds, &utc);
#endif
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S+00:00", &utc);
  return {text, length};
}

std::string operating_system() {
#if defined(_WIN32)
  return "Windows";
#else
  utsname about{};
  return ::uname(&about) == 0 ? std::string(about.sysname) + " " + about.machine : "unknown";
#endif
}

// What Device.info of the Python package has of a device that a callable timed.
std::string info_of(const DeviceNotes& notes, const Bundle& bundle, const Space& space) {
  const json runtime = notes.runtime.empty() ? json(nullptr) : json(notes.runtime);
  return ascii_text({{"cpu", notes.device},
                     {"cores", std::max(1u, std::thread::hardware_concurrency())},
                     {"os", operating_system()},
                     {"governor", nullptr},
                     {"runtime", "measure"},
                     {"runtime_version", runtime},
                     {"threads", notes.threads},
                     {"edgewise", EDGEWISE_VERSION},
                     {"calibrated_at", now()},
                     {"space", space.name()},
                     {"predictor", "edgewise"},
                     {"bundle", bundle.name()},
                     {"seconds", notes.seconds},
                     {"notes", json::array()}});
}

std::shared_ptr<const Bundle> checked(const Profile& profile, std::shared_ptr<const Bundle> given,
                                      const std::string& file) {
  if (profile.predictor != "edgewise") {
    throw Error(ErrorKind::kProfile, file + ": is of predictor '" + printable(profile.predictor) +
                                         "', which needs the Python package");
  }
  std::shared_ptr<const Bundle> bundle =
      resolve(profile.bundle, std::move(given), "latency", file);
  if (bundle_space(*bundle).name() != profile.space) {
    throw Error(ErrorKind::kProfile, file + ": is a profile of space '" +
                                         printable(profile.space) + "', not '" +
                                         bundle_space(*bundle).name() + "'");
  }
  return bundle;
}

// How unsteady the device was while it was timed; Device.info of the Python package has it.
double unsteady(const Profile& profile) {
  const json info = json::parse(profile.info);
  const auto found = info.find("unsteady");
  const double value = found != info.end() && found->is_number() ? found->get<double>() : 0.0;
  constexpr double kMost = 10.0;  // what is beyond, no timing gave
  return value > 0.0 && value < kMost ? value : 0.0;
}

std::string canonical(const Space& space, const std::string& arch) {
  std::vector<std::uint8_t> codes(space.code_length());
  space.encode(arch, codes.data());
  return space.decode(codes.data());
}

std::vector<std::uint8_t> codes_of(const Space& space, const std::vector<std::string>& archs) {
  std::vector<std::uint8_t> codes(archs.size() * space.code_length());
  for (std::size_t i = 0; i < archs.size(); ++i) {
    space.encode(archs[i], codes.data() + i * space.code_length());
  }
  return codes;
}

}  // namespace

const Space& bundle_space(const Bundle& bundle) {
  const json manifest = latency_manifest(bundle);
  const auto space = manifest.find("space");
  if (space == manifest.end() || !space->is_string() || !bundle.contains("edgewise.mean")) {
    throw Error(ErrorKind::kBundle,
                bundle.label() + ": holds no 'edgewise' predictor of a space; compile it again");
  }
  return get_space(space->get<std::string>());
}

std::vector<std::string> bundle_references(const Bundle& bundle) {
  const json manifest = latency_manifest(bundle);
  const auto list = manifest.find("references");
  std::vector<std::string> references;
  if (list != manifest.end() && list->is_array()) {
    for (const json& arch : *list) {
      if (!arch.is_string()) break;
      references.push_back(arch.get<std::string>());
    }
    if (references.size() == list->size()) return references;
  }
  throw Error(ErrorKind::kBundle, bundle.label() + ": names no reference architectures");
}

Device::Device(std::shared_ptr<const Bundle> bundle, const std::vector<std::string>& archs,
               const std::vector<double>& ms, const DeviceNotes& notes)
    : bundle_(std::move(bundle)), prior_(LatencyPrior::load(bundle_space(*bundle_), *bundle_)) {
  Profile profile;
  profile.space = space().name();
  profile.info = info_of(notes, *bundle_, space());
  profile.bundle = refer_to(*bundle_);
  for (std::size_t i = 0; i < archs.size(); ++i) {
    const std::string arch = canonical(space(), archs[i]);
    const double valid = valid_ms(arch, ms[i]);
    profile.replace({arch, valid, 0.0, 1, valid});
  }
  state_ = adapt(std::move(profile));
}

Device::Device(Profile profile, std::shared_ptr<const Bundle> bundle, const std::string& file)
    : bundle_(checked(profile, std::move(bundle), file)),
      prior_(LatencyPrior::load(bundle_space(*bundle_), *bundle_)) {
  try {
    for (const Timing& timing : profile.timings) valid_ms(timing.name, timing.ms);
    state_ = adapt(std::move(profile));
  } catch (const Error& error) {
    throw Error(ErrorKind::kProfile, file + ": " + error.what());
  }
}

std::vector<double> Device::time_references(const std::vector<std::string>& references,
                                            std::size_t samples, const Measure& measure) {
  if (samples < LatencyPrior::minimum_samples() || samples > references.size()) {
    throw Error(ErrorKind::kArgument,
                "samples is " + std::to_string(samples) + ", and must be " +
                    std::to_string(LatencyPrior::minimum_samples()) + " to " +
                    std::to_string(references.size()) + ", the references of the bundle");
  }
  std::vector<double> ms;
  for (std::size_t i = 0; i < samples; ++i) {
    ms.push_back(valid_ms(references[i], measure(references[i])));
  }
  return ms;
}

std::shared_ptr<const Device::State> Device::adapt(Profile profile) const {
  if (space().code_length() > kMostCodes) {
    throw Error(ErrorKind::kArgument, std::string(space().name()) + ": has too many codes");
  }
  std::vector<std::string> archs;
  std::vector<double> ms;
  for (const Timing& timing : profile.timings) {
    archs.push_back(timing.name);
    ms.push_back(timing.ms);
  }
  const std::vector<std::uint8_t> codes = codes_of(space(), archs);
  AdaptedLatency adapted =
      prior_.adapt(codes.data(), ms.data(), ms.size(), unsteady(profile));
  return std::make_shared<const State>(State{std::move(profile), std::move(adapted)});
}

std::shared_ptr<const Device::State> Device::state() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return state_;
}

void Device::predict(const char* const* archs, std::size_t n, double confidence, Take take,
                     void* out) const {
  const std::shared_ptr<const State> current = state();
  const std::size_t length = space().code_length();
  std::uint8_t codes[kBatch * kMostCodes];
  double ms[kBatch];
  double low[kBatch];
  double high[kBatch];
  if (n == 0) (void)current->adapted.posterior().reach(confidence);  // refuses one that cannot be
  for (std::size_t done = 0; done < n; done += kBatch) {
    const std::size_t count = std::min(kBatch, n - done);
    for (std::size_t i = 0; i < count; ++i) {
      const char* const arch = archs[done + i];
      const std::size_t size = std::strlen(arch);
      if (!space().try_encode(arch, size, codes + i * length)) space().explain({arch, size});
    }
    current->adapted.predict(codes, count, confidence, ms, low, high);
    for (std::size_t i = 0; i < count; ++i) take(out, done + i, ms[i], low[i], high[i]);
  }
}

std::string Device::next_reference(const std::vector<std::string>& candidates) const {
  const std::shared_ptr<const State> current = state();
  const std::vector<std::uint8_t> codes = candidates.empty() ? candidates_left(current->profile)
                                                             : codes_of(space(), candidates);
  const std::size_t length = space().code_length();
  const std::size_t best = current->adapted.next_reference(codes.data(), codes.size() / length);
  return space().decode(codes.data() + best * length);
}

std::vector<std::uint8_t> Device::candidates_left(const Profile& profile) const {
  std::unordered_set<std::string> timed;
  for (const Timing& timing : profile.timings) timed.insert(timing.name);
  std::vector<std::uint8_t> left;
  const auto consider = [&](const std::uint8_t* codes) {
    if (timed.count(space().decode(codes)) != 0) return;
    left.insert(left.end(), codes, codes + space().code_length());
  };
  std::uint8_t codes[kMostCodes];
  for (std::size_t i = 0; i < space().size(); ++i) {
    space().codes_of(i, codes);
    consider(codes);
  }
  if (space().size() != 0) return left;
  for (const std::string& arch : bundle_references(*bundle_)) {
    space().encode(arch, codes);
    consider(codes);
  }
  return left;
}

void Device::update(const std::string& arch, double ms) {
  const std::string name = canonical(space(), arch);
  const double valid = valid_ms(name, ms);
  const std::lock_guard<std::mutex> one(updating_);
  Profile profile = state()->profile;
  profile.replace({name, valid, 0.0, 1, valid});
  std::shared_ptr<const State> fresh = adapt(std::move(profile));
  const std::lock_guard<std::mutex> lock(mutex_);
  state_.swap(fresh);
}

Profile Device::profile() const {
  const std::shared_ptr<const State> current = state();
  Profile profile = current->profile;
  const Posterior& posterior = current->adapted.posterior();
  json info = json::parse(profile.info);
  info["noise"] = posterior.noise();
  info["semantics"] = prior_.data().semantics[posterior.semantics()];
  profile.info = ascii_text(info);
  return profile;
}

double Device::noise() const { return state()->adapted.posterior().noise(); }

std::vector<double> Device::embedding() const { return state()->adapted.posterior().embedding(); }

}  // namespace edgewise
