// edgewise in C++17: the C interface (edgewise.h) with owners, exceptions and containers.
// Header-only, so that the library's ABI stays that of C.
//
//   const auto bundle = edgewise::Bundle::open("nasbench201.safetensors", "latency");
//   auto device = edgewise::Device::calibrate(bundle, [&](const std::string& arch) {
//     return my_engine.milliseconds(arch);
//   });
//   const edgewise::Prediction p = device.predict(arch);
//
// Every failure is an edgewise::Error with the C interface's status and message. Objects can be
// moved, not copied; a moved-from one may only be assigned to or destroyed. Threads are as
// edgewise.h says. What the C interface promises to do without allocating does so here too, except
// where a std::vector or std::string is returned.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "edgewise/edgewise.h"

namespace edgewise {
// A namespace of its own for the linker: the static library holds the core's classes, of which some
// have these names.
inline namespace api {

// ---- Version and results -----------------------------------------------------------------------

inline std::string version() { return edgewise_version(); }

// Structs of the C interface, as they are.
using Prediction = edgewise_prediction;  // ms, low, high
using Kernel = edgewise_kernel;
using Neighbour = edgewise_neighbour;

// ---- Errors ------------------------------------------------------------------------------------

// What every function throws that can fail: the library's status and its sentence.
class Error : public std::runtime_error {
 public:
  Error(edgewise_status status, const std::string& message)
      : std::runtime_error(message), status_(status) {}
  edgewise_status status() const noexcept { return status_; }

 private:
  edgewise_status status_;
};

namespace detail {

inline void check(edgewise_status status) {
  if (status != EDGEWISE_OK) throw Error(status, edgewise_last_error());
}

// A string that a function gives back: asks for its length, then for the string, again if another
// thread made it longer meanwhile.
template <typename Give>
std::string text(const Give& give) {
  std::string found(64, '\0');
  for (;;) {
    std::size_t length = 0;
    const edgewise_status status = give(&found[0], found.size(), &length);
    if (status != EDGEWISE_ERROR_TOO_SMALL) {
      check(status);
      found.resize(length);
      return found;
    }
    found.resize(length + 1);
  }
}

inline std::vector<const char*> pointers(const std::vector<std::string>& texts) {
  std::vector<const char*> all;
  all.reserve(texts.size());
  for (const std::string& each : texts) all.push_back(each.c_str());
  return all;
}

template <typename Handle, void (*close)(Handle*)>
struct Closer {
  void operator()(Handle* handle) const noexcept { close(handle); }
};

template <typename Handle, void (*close)(Handle*)>
using Owner = std::unique_ptr<Handle, Closer<Handle, close>>;

}  // namespace detail

// ---- Spaces ------------------------------------------------------------------------------------

// A space of architectures. A reference to something static: copied freely.
class Space {
 public:
  explicit Space(const edgewise_space* handle) : handle_(handle) {}
  static Space get(const std::string& name) {
    const edgewise_space* handle = nullptr;
    detail::check(edgewise_space_get(name.c_str(), &handle));
    return Space(handle);
  }

  std::string name() const { return edgewise_space_name(handle_); }
  std::size_t size() const noexcept { return edgewise_space_size(handle_); }  // 0: not listable
  std::string architecture(std::size_t index) const {
    return detail::text([&](char* buffer, std::size_t capacity, std::size_t* length) {
      return edgewise_space_architecture(handle_, index, buffer, capacity, length);
    });
  }
  std::string parse(const std::string& arch) const {
    return detail::text([&](char* buffer, std::size_t capacity, std::size_t* length) {
      return edgewise_space_parse(handle_, arch.c_str(), buffer, capacity, length);
    });
  }
  double flops(const std::string& arch) const {
    double flops = 0.0;
    detail::check(edgewise_space_flops(handle_, arch.c_str(), &flops));
    return flops;
  }
  std::vector<Kernel> kernels(const std::string& arch) const {
    std::size_t count = 0;
    const edgewise_status status =
        edgewise_space_kernels(handle_, arch.c_str(), nullptr, 0, &count);
    if (status != EDGEWISE_ERROR_TOO_SMALL) detail::check(status);
    std::vector<Kernel> kernels(count);
    detail::check(
        edgewise_space_kernels(handle_, arch.c_str(), kernels.data(), count, &count));
    return kernels;
  }

 private:
  const edgewise_space* handle_;
};

// ---- Bundles -----------------------------------------------------------------------------------

// A trained part, out of a file.
class Bundle {
 public:
  static Bundle open(const std::string& path, const char* kind = nullptr) {
    edgewise_bundle* handle = nullptr;
    detail::check(edgewise_bundle_open(path.c_str(), kind, &handle));
    return Bundle(handle);
  }
  static Bundle from_memory(const void* data, std::size_t size, const char* label = nullptr,
                            const char* kind = nullptr) {
    edgewise_bundle* handle = nullptr;
    detail::check(edgewise_bundle_open_memory(data, size, label, kind, &handle));
    return Bundle(handle);
  }

  std::string kind() const { return edgewise_bundle_kind(get()); }
  std::string name() const { return edgewise_bundle_name(get()); }
  std::string manifest() const { return edgewise_bundle_manifest(get()); }
  void verify() const { detail::check(edgewise_bundle_verify(get())); }
  Space space() const {
    const edgewise_space* space = nullptr;
    detail::check(edgewise_bundle_space(get(), &space));
    return Space(space);
  }
  // The architectures to time, the most telling first.
  std::vector<std::string> references() const {
    std::size_t count = 0;
    detail::check(edgewise_reference_count(get(), &count));
    std::vector<std::string> all;
    for (std::size_t i = 0; i < count; ++i) {
      all.push_back(detail::text([&](char* buffer, std::size_t capacity, std::size_t* length) {
        return edgewise_reference(get(), i, buffer, capacity, length);
      }));
    }
    return all;
  }
  // Bytes of a tensor, valid as long as this bundle; see edgewise_bundle_data.
  std::pair<const void*, std::size_t> data(const std::string& name) const {
    std::pair<const void*, std::size_t> found{nullptr, 0};
    detail::check(edgewise_bundle_data(get(), name.c_str(), &found.first, &found.second));
    return found;
  }

  const edgewise_bundle* get() const noexcept { return handle_.get(); }

 private:
  explicit Bundle(edgewise_bundle* handle) : handle_(handle) {}
  detail::Owner<edgewise_bundle, edgewise_bundle_close> handle_;
};

// ---- Calibrating and predicting ----------------------------------------------------------------

// What a calibration may be told; see edgewise_calibration.
struct CalibrationOptions {
  std::size_t samples = 10;
  std::string device;   // its name
  std::string runtime;  // what runs the networks
  int threads = 1;
};

// A calibrated device.
class Device {
 public:
  // By a callable, std::string -> milliseconds. An exception that it throws ends the calibration
  // and goes on to the caller.
  template <typename Measure, typename = std::enable_if_t<
                                  std::is_invocable_r_v<double, Measure&, const std::string&>>>
  static Device calibrate(const Bundle& bundle, Measure&& measure,
                          const CalibrationOptions& options = {}) {
    Call<std::remove_reference_t<Measure>> call{&measure, nullptr};
    const edgewise_calibration read = read_options(options);
    edgewise_device* handle = nullptr;
    const edgewise_status status = edgewise_calibrate_by(
        bundle.get(), &Call<std::remove_reference_t<Measure>>::run, &call, &read, &handle);
    if (call.thrown) std::rethrow_exception(call.thrown);
    detail::check(status);
    return Device(handle);
  }

  // By timings: ms (one each) of different architectures.
  static Device calibrate(const Bundle& bundle, const std::vector<std::string>& archs,
                          const std::vector<double>& ms, const CalibrationOptions& options = {}) {
    if (archs.size() != ms.size()) {
      throw Error(EDGEWISE_ERROR_ARGUMENT, "there must be as many timings as architectures");
    }
    const edgewise_calibration read = read_options(options);
    edgewise_device* handle = nullptr;
    detail::check(edgewise_calibrate(bundle.get(), detail::pointers(archs).data(), ms.data(),
                                     ms.size(), &read, &handle));
    return Device(handle);
  }

  // What `save` or the Python package wrote. Without `bundle`: the one where the profile says.
  static Device load(const std::string& path, const Bundle* bundle = nullptr) {
    edgewise_device* handle = nullptr;
    detail::check(edgewise_device_load(path.c_str(), bundle != nullptr ? bundle->get() : nullptr,
                                       &handle));
    return Device(handle);
  }
  void save(const std::string& path) const {
    detail::check(edgewise_device_save(handle_.get(), path.c_str()));
  }

  Prediction predict(const char* arch, double confidence = 0.9) const {
    Prediction prediction{};
    detail::check(edgewise_device_predict(handle_.get(), arch, confidence, &prediction));
    return prediction;
  }
  Prediction predict(const std::string& arch, double confidence = 0.9) const {
    return predict(arch.c_str(), confidence);
  }
  std::vector<Prediction> predict(const std::vector<std::string>& archs,
                                  double confidence = 0.9) const {
    std::vector<Prediction> predictions(archs.size());
    detail::check(edgewise_device_predict_many(handle_.get(), detail::pointers(archs).data(),
                                               archs.size(), confidence, predictions.data()));
    return predictions;
  }

  // The architecture whose timing would teach most; see edgewise_device_next_reference.
  std::string next_reference(const std::vector<std::string>& candidates = {}) const {
    const std::vector<const char*> given = detail::pointers(candidates);
    return detail::text([&](char* buffer, std::size_t capacity, std::size_t* length) {
      return edgewise_device_next_reference(handle_.get(), given.data(), given.size(), buffer,
                                            capacity, length);
    });
  }
  void update(const std::string& arch, double ms) {
    detail::check(edgewise_device_update(handle_.get(), arch.c_str(), ms));
  }
  double noise() const {
    double noise = 0.0;
    detail::check(edgewise_device_noise(handle_.get(), &noise));
    return noise;
  }
  // Architectures and their milliseconds, in the order of timing.
  std::vector<std::pair<std::string, double>> timings() const {
    std::size_t count = 0;
    detail::check(edgewise_device_timing_count(handle_.get(), &count));
    std::vector<std::pair<std::string, double>> all;
    for (std::size_t i = 0; i < count; ++i) {
      double ms = 0.0;
      std::string arch =
          detail::text([&](char* buffer, std::size_t capacity, std::size_t* length) {
            return edgewise_device_timing(handle_.get(), i, buffer, capacity, length, &ms);
          });
      all.emplace_back(std::move(arch), ms);
    }
    return all;
  }

  edgewise_device* get() const noexcept { return handle_.get(); }

 private:
  // Carries a callable, and an exception of its, through the C interface.
  template <typename Measure>
  struct Call {
    Measure* measure;
    std::exception_ptr thrown;

    static double run(const char* arch, void* user) {
      Call& call = *static_cast<Call*>(user);
      try {
        return (*call.measure)(std::string(arch));
      } catch (...) {
        call.thrown = std::current_exception();
        return NAN;  // which the library refuses, and so stops
      }
    }
  };

  static edgewise_calibration read_options(const CalibrationOptions& options) {
    edgewise_calibration read = EDGEWISE_CALIBRATION_INIT;
    read.samples = options.samples;
    if (!options.device.empty()) read.device = options.device.c_str();
    if (!options.runtime.empty()) read.runtime = options.runtime.c_str();
    read.threads = options.threads;
    return read;
  }

  explicit Device(edgewise_device* handle) : handle_(handle) {}
  detail::Owner<edgewise_device, edgewise_device_close> handle_;
};

// ---- Few-shot classification -------------------------------------------------------------------

// What a classifier says of an embedding.
struct Classification {
  std::string label;  // the best class, also of what is unknown
  double probability = 0.0;
  double score = 0.0;
  bool is_unknown = false;
};

// What embeddings of an app's own kind are like; see edgewise_classifier_options.
struct ClassifierOptions {
  std::size_t dim = 0;
  edgewise_metric metric = EDGEWISE_COSINE;
  double temperature = 1.0;
  double threshold = -HUGE_VAL;  // none is unknown
};

// Classes from a few examples each.
class Classifier {
 public:
  explicit Classifier(const ClassifierOptions& options) {
    const edgewise_classifier_options read = read_options(options);
    edgewise_classifier* handle = nullptr;
    detail::check(edgewise_classifier_create(&read, &handle));
    handle_.reset(handle);
  }
  // With the constants and the background, if any, of an embedder bundle, whose model of that precision
  // gives the embeddings.
  Classifier(const Bundle& embedder, const char* precision) {
    edgewise_classifier* handle = nullptr;
    detail::check(edgewise_classifier_create_for(embedder.get(), precision, &handle));
    handle_.reset(handle);
  }

  // What `save` or the Python package wrote. Without `embedder`: the one where the file says.
  static Classifier load(const std::string& path, const Bundle* embedder = nullptr) {
    edgewise_classifier* handle = nullptr;
    detail::check(edgewise_classifier_load(
        path.c_str(), embedder != nullptr ? embedder->get() : nullptr, &handle));
    return Classifier(handle);
  }
  static Classifier load(const std::string& path, const ClassifierOptions& options) {
    const edgewise_classifier_options read = read_options(options);
    edgewise_classifier* handle = nullptr;
    detail::check(edgewise_classifier_load_own(path.c_str(), &read, &handle));
    return Classifier(handle);
  }
  void save(const std::string& path) const {
    detail::check(edgewise_classifier_save(handle_.get(), path.c_str()));
  }

  std::size_t dim() const noexcept { return edgewise_classifier_dim(handle_.get()); }

  // Shows n examples, (n, dim) row-major.
  void add(const std::string& label, const float* embeddings, std::size_t n = 1) {
    detail::check(edgewise_classifier_add(handle_.get(), label.c_str(), embeddings, n));
  }
  void remove(const std::string& label) {
    detail::check(edgewise_classifier_remove(handle_.get(), label.c_str()));
  }
  // Labels and numbers of examples, in the order of the first example.
  std::vector<std::pair<std::string, std::int64_t>> classes() const {
    std::size_t count = 0;
    detail::check(edgewise_classifier_class_count(handle_.get(), &count));
    std::vector<std::pair<std::string, std::int64_t>> all;
    for (std::size_t i = 0; i < count; ++i) {
      std::int64_t examples = 0;
      std::string label =
          detail::text([&](char* buffer, std::size_t capacity, std::size_t* length) {
            return edgewise_classifier_class(handle_.get(), i, buffer, capacity, length,
                                             &examples);
          });
      all.emplace_back(std::move(label), examples);
    }
    return all;
  }

  Classification classify(const float* embedding) const {
    constexpr std::size_t kUsualLabel = 256;
    edgewise_classification result = EDGEWISE_CLASSIFICATION_INIT;
    std::string label(kUsualLabel, '\0');
    edgewise_status status = EDGEWISE_OK;
    while ((status = edgewise_classifier_classify(handle_.get(), embedding, &label[0],
                                                  label.size(), &result)) ==
           EDGEWISE_ERROR_TOO_SMALL) {
      label.resize(2 * label.size());
    }
    detail::check(status);
    label.resize(label.find('\0'));
    return {std::move(label), result.probability, result.score, result.is_unknown != 0};
  }

  edgewise_classifier* get() const noexcept { return handle_.get(); }

 private:
  static edgewise_classifier_options read_options(const ClassifierOptions& options) {
    edgewise_classifier_options read = EDGEWISE_CLASSIFIER_OPTIONS_INIT;
    read.dim = options.dim;
    read.metric = options.metric;
    read.temperature = options.temperature;
    read.threshold = options.threshold;
    return read;
  }

  explicit Classifier(edgewise_classifier* handle) : handle_(handle) {}
  detail::Owner<edgewise_classifier, edgewise_classifier_close> handle_;
};

// ---- Nearest directions ------------------------------------------------------------------------

// The k rows of an 8-bit index nearest to `query`; see edgewise_nearest.
inline std::vector<Neighbour> nearest(const std::int8_t* rows, const float* scales,
                                      std::size_t count, std::size_t dim, const float* query,
                                      std::size_t k, const std::uint8_t* mask = nullptr) {
  std::vector<Neighbour> found(k < count ? k : count);
  std::size_t written = 0;
  // k itself is passed on, so that one that cannot be is refused.
  detail::check(edgewise_nearest(rows, scales, count, dim, mask, query, k, found.data(), &written));
  found.resize(written);
  return found;
}

}  // namespace api
}  // namespace edgewise
