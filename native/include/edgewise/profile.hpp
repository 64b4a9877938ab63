// A calibrated device as a file: the timings, and what they were taken on. The format is the
// bundle's, with kind `profile`; latency/profile.py of the Python package reads and writes the same.
//
// The timings are stored and not the adapted model, since adapting takes milliseconds.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgewise/bundle.hpp"
#include "edgewise/bundle_reference.hpp"

namespace edgewise {

struct Timing {
  std::string name;  // canonical architecture, or the path of a model file
  double ms = 0.0;   // median
  double spread = 0.0;  // of the runs, relative
  std::int64_t runs = 1;
  double p90 = 0.0;  // ms
};

struct Profile {
  std::string space;
  std::string predictor = "edgewise";
  std::vector<Timing> timings;   // of architectures of the space, in the order of timing
  std::vector<Timing> networks;  // of model files and architectures of other spaces
  std::vector<double> features;  // (networks, network_columns()) what those ask for
  std::string info = "{}";       // a JSON object: what was calibrated, and how
  BundleReference bundle;        // that the timings were adapted with

  // Adds a timing, in place of an earlier one of the same architecture.
  void replace(Timing fresh);
};

// The bytes of the file.
std::string profile_bytes(const Profile& profile);

// Error(kBundle) for one that is no profile, Error(kProfile) for one that is incomplete or was made
// by a version of this library whose first two numbers differ: what a prediction means may change
// with them only.
Profile read_profile(const Bundle& bundle);

}  // namespace edgewise
