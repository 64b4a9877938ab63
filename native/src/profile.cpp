#include "edgewise/profile.hpp"

#include <algorithm>
#include <utility>

#include "edgewise/bundle_writer.hpp"
#include "edgewise/error.hpp"
#include "edgewise/network_latency.hpp"
#include "edgewise/version.h"
#include "saved_json.hpp"

namespace edgewise {
namespace {

using nlohmann::json;

// "0.1.0" and "0.1.7" are as good as one another.
std::string series(const std::string& version) {
  return version.substr(0, version.find('.', version.find('.') + 1));
}

void check_version(const Profile& profile, const std::string& file) {
  const json info = json::parse(profile.info);
  const auto found = info.find("edgewise");
  const std::string made_by =
      found != info.end() && found->is_string() ? found->get<std::string>() : "";
  if (series(made_by) == series(EDGEWISE_VERSION)) return;
  throw Error(ErrorKind::kProfile,
              file + ": was made by edgewise " +
                  (made_by.empty() ? "of unknown version" : printable(made_by)) + ", this is " +
                  EDGEWISE_VERSION + "; calibrate again (the file is left as it is)");
}

std::string display_name(const Profile& profile) {
  const json info = json::parse(profile.info);
  const auto cpu = info.find("cpu");
  return profile.space + " on " +
         (cpu != info.end() && cpu->is_string() ? cpu->get<std::string>() : "a device");
}

std::vector<std::string> names(const std::vector<Timing>& timings) {
  std::vector<std::string> all;
  for (const Timing& timing : timings) all.push_back(timing.name);
  return all;
}

}  // namespace

void Profile::replace(Timing fresh) {
  timings.erase(std::remove_if(timings.begin(), timings.end(),
                               [&](const Timing& timing) { return timing.name == fresh.name; }),
                timings.end());
  timings.push_back(std::move(fresh));
}

std::string profile_bytes(const Profile& profile) {
  std::vector<Timing> all = profile.timings;
  all.insert(all.end(), profile.networks.begin(), profile.networks.end());
  std::vector<double> ms;
  std::vector<double> spread;
  std::vector<double> p90;
  std::vector<std::int64_t> runs;
  for (const Timing& timing : all) {
    ms.push_back(timing.ms);
    spread.push_back(timing.spread);
    runs.push_back(timing.runs);
    p90.push_back(timing.p90);
  }
  const std::size_t n = all.size();
  const json manifest = {{"space", profile.space},
                         {"predictor", profile.predictor},
                         {"architectures", names(profile.timings)},
                         {"networks", names(profile.networks)},
                         {"info", json::parse(profile.info)},
                         {"bundle", json_of(profile.bundle)}};
  return bundle_bytes("profile", display_name(profile), ascii_text(manifest),
                      {tensor_of("ms", ms, {n}), tensor_of("spread", spread, {n}),
                       tensor_of("runs", runs, {n}), tensor_of("p90", p90, {n}),
                       tensor_of("features", profile.features,
                                 {profile.networks.size(), network_columns().size()})});
}

Profile read_profile(const Bundle& bundle) {
  const SavedManifest saved(bundle, "profile");
  Profile profile;
  profile.space = saved.text("space");
  profile.predictor = saved.text("predictor");
  profile.info = saved.object("info");
  profile.bundle = saved.reference("bundle");
  const std::vector<std::string> archs = saved.texts("architectures");
  const std::vector<std::string> networks = saved.texts("networks");
  const std::size_t n = archs.size() + networks.size();
  const std::vector<double> ms = saved.doubles("ms", {n});
  const std::vector<double> spread = saved.doubles("spread", {n});
  const std::vector<std::int64_t> runs = saved.integers("runs", {n});
  const std::vector<double> p90 = saved.doubles("p90", {n});
  for (std::size_t i = 0; i < n; ++i) {
    const bool own = i < archs.size();
    (own ? profile.timings : profile.networks)
        .push_back({own ? archs[i] : networks[i - archs.size()], ms[i], spread[i], runs[i],
                    p90[i]});
  }
  profile.features = saved.doubles("features", {networks.size(), network_columns().size()});
  check_version(profile, bundle.label());
  return profile;
}

}  // namespace edgewise
