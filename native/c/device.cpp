// Calibrating and predicting.
#include <chrono>
#include <cstddef>
#include <vector>

#include "edgewise/storage.hpp"
#include "handles.hpp"

using namespace edgewise::c;
using edgewise::Bundle;
using edgewise::Device;
using edgewise::DeviceNotes;
using edgewise::Error;
using edgewise::ErrorKind;

namespace {

constexpr std::size_t kUsualSamples = 10;

edgewise_calibration read_options(const edgewise_calibration* options) {
  edgewise_calibration read = read_struct(options, EDGEWISE_CALIBRATION_INIT, "options");
  if (read.samples == 0) read.samples = kUsualSamples;
  if (read.threads == 0) read.threads = 1;
  return read;
}

DeviceNotes notes_of(const edgewise_calibration& options) {
  DeviceNotes notes;
  if (options.device != nullptr) notes.device = options.device;
  if (options.runtime != nullptr) notes.runtime = options.runtime;
  notes.threads = options.threads;
  return notes;
}

std::vector<std::string> texts(const char* const* items, std::size_t n, const char* name) {
  expect_array(items, n, name);
  std::vector<std::string> all;
  for (std::size_t i = 0; i < n; ++i) {
    expect(items[i], name);
    all.emplace_back(items[i]);
  }
  return all;
}

void take_prediction(void* out, std::size_t i, double ms, double low, double high) {
  static_cast<edgewise_prediction*>(out)[i] = {ms, low, high};
}

edgewise_status predict(const edgewise_device* device, const char* const* archs, std::size_t n,
                        double confidence, edgewise_prediction* predictions) noexcept {
  return guarded([&] {
    expect(device, "device");
    expect_array(archs, n, "archs");
    expect_array(predictions, n, "predictions");
    for (std::size_t i = 0; i < n; ++i) expect(archs[i], "arch");
    device->device.predict(archs, n, confidence, take_prediction, predictions);
  });
}

}  // namespace

extern "C" {

edgewise_status edgewise_reference_count(const edgewise_bundle* bundle, size_t* count) {
  return guarded([&] {
    expect(bundle, "bundle");
    expect(count, "count");
    *count = edgewise::bundle_references(*bundle->bundle).size();
  });
}

edgewise_status edgewise_reference(const edgewise_bundle* bundle, size_t index, char* buffer,
                                   size_t capacity, size_t* length) {
  return guarded([&] {
    expect(bundle, "bundle");
    const std::vector<std::string> references = edgewise::bundle_references(*bundle->bundle);
    if (index >= references.size()) {
      throw Error(ErrorKind::kArgument, "index is " + std::to_string(index) +
                                            ", and the bundle has " +
                                            std::to_string(references.size()) + " references");
    }
    give(references[index], buffer, capacity, length);
  });
}

edgewise_status edgewise_calibrate(const edgewise_bundle* bundle, const char* const* archs,
                                   const double* ms, size_t n, const edgewise_calibration* options,
                                   edgewise_device** device) {
  return guarded([&] {
    expect(bundle, "bundle");
    expect(device, "device");
    expect_array(ms, n, "ms");
    const DeviceNotes notes = notes_of(read_options(options));
    *device = new edgewise_device{
        {bundle->bundle, texts(archs, n, "archs"), std::vector<double>(ms, ms + n), notes}};
  });
}

edgewise_status edgewise_calibrate_by(const edgewise_bundle* bundle, edgewise_measure measure,
                                      void* user, const edgewise_calibration* options,
                                      edgewise_device** device) {
  return guarded([&] {
    expect(bundle, "bundle");
    expect(device, "device");
    if (measure == nullptr) throw Error(ErrorKind::kArgument, "measure is NULL");
    const edgewise_calibration read = read_options(options);
    DeviceNotes notes = notes_of(read);
    std::vector<std::string> archs = edgewise::bundle_references(*bundle->bundle);
    const auto begun = std::chrono::steady_clock::now();
    const std::vector<double> ms =
        Device::time_references(archs, read.samples, [&](const std::string& arch) {
          return measure(arch.c_str(), user);
        });
    archs.resize(ms.size());
    notes.seconds =
        std::chrono::duration<double>(std::chrono::steady_clock::now() - begun).count();
    *device = new edgewise_device{{bundle->bundle, archs, ms, notes}};
  });
}

void edgewise_device_close(edgewise_device* device) { delete device; }

edgewise_status edgewise_device_predict(const edgewise_device* device, const char* arch,
                                        double confidence, edgewise_prediction* prediction) {
  return predict(device, &arch, 1, confidence, prediction);
}

edgewise_status edgewise_device_predict_many(const edgewise_device* device,
                                             const char* const* archs, size_t n, double confidence,
                                             edgewise_prediction* predictions) {
  return predict(device, archs, n, confidence, predictions);
}

edgewise_status edgewise_device_next_reference(const edgewise_device* device,
                                               const char* const* candidates, size_t n,
                                               char* buffer, size_t capacity, size_t* length) {
  return guarded([&] {
    expect(device, "device");
    give(device->device.next_reference(texts(candidates, n, "candidates")), buffer, capacity,
         length);
  });
}

edgewise_status edgewise_device_update(edgewise_device* device, const char* arch, double ms) {
  return guarded([&] {
    expect(device, "device");
    expect(arch, "arch");
    device->device.update(arch, ms);
  });
}

edgewise_status edgewise_device_noise(const edgewise_device* device, double* noise) {
  return guarded([&] {
    expect(device, "device");
    expect(noise, "noise");
    *noise = device->device.noise();
  });
}

edgewise_status edgewise_device_timing_count(const edgewise_device* device, size_t* count) {
  return guarded([&] {
    expect(device, "device");
    expect(count, "count");
    *count = device->device.profile().timings.size();
  });
}

edgewise_status edgewise_device_timing(const edgewise_device* device, size_t index, char* buffer,
                                       size_t capacity, size_t* length, double* ms) {
  return guarded([&] {
    expect(device, "device");
    expect(ms, "ms");
    const std::vector<edgewise::Timing> timings = device->device.profile().timings;
    if (index >= timings.size()) {
      throw Error(ErrorKind::kArgument, "index is " + std::to_string(index) +
                                            ", and the device has " +
                                            std::to_string(timings.size()) + " timings");
    }
    give(timings[index].name, buffer, capacity, length);
    *ms = timings[index].ms;
  });
}

edgewise_status edgewise_device_save(const edgewise_device* device, const char* path) {
  return guarded([&] {
    expect(device, "device");
    expect(path, "path");
    const std::string bytes = edgewise::profile_bytes(device->device.profile());
    edgewise::write_atomic(path, {bytes});
  });
}

edgewise_status edgewise_device_load(const char* path, const edgewise_bundle* bundle,
                                     edgewise_device** device) {
  return guarded([&] {
    expect(path, "path");
    expect(device, "device");
    *device = new edgewise_device{{edgewise::read_profile(*Bundle::open(path, "profile")),
                                   bundle == nullptr ? nullptr : bundle->bundle, path}};
  });
}

}  // extern "C"
