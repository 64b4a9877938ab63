// The C interface through its C++ wrappers, and what only C can do wrong. Equality with the Python
// package is in tests/c.
#include <atomic>
#include <cstring>
#include <fstream>
#include <iterator>
#include <thread>

#include "check.hpp"
#include "fixtures.hpp"

extern "C" int header_is_c99(void);

namespace {

constexpr const char* kArch =
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|avg_pool_3x3~1|+|skip_connect~0|nor_conv_3x3~1|"
    "skip_connect~2|";

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

edgewise::Classifier three_classes() {
  edgewise::ClassifierOptions options;
  options.dim = 4;
  options.temperature = 8.0;
  options.threshold = 0.5;
  edgewise::Classifier classifier(options);
  for (const std::size_t i : {0u, 1u, 2u}) {
    classifier.add("class " + std::to_string(i), unit(4, i).data());
  }
  return classifier;
}

}  // namespace

TEST(the_header_is_c) { CHECK(header_is_c99() == 1); }

TEST(versions_agree) {
  CHECK(edgewise::version() == EDGEWISE_VERSION);
  CHECK(edgewise::version() == std::to_string(EDGEWISE_VERSION_MAJOR) + "." +
                                   std::to_string(EDGEWISE_VERSION_MINOR) + "." +
                                   std::to_string(EDGEWISE_VERSION_PATCH));
}

TEST(bundles) {
  const auto bundle = latency_bundle();
  CHECK(bundle.kind() == "latency");
  CHECK(bundle.name() == "latency of nasbench201");
  CHECK(bundle.manifest().find("\"licence\"") != std::string::npos);
  CHECK(bundle.references().size() == 24);
  bundle.verify();
  CHECK(bundle.data("edgewise.settings").second == 2 * sizeof(double));
  CHECK_THROWS(bundle.data("none"), "has no tensor 'none'");
  CHECK_THROWS(bundle.data("reference.00.onnx"), "is stored deflated");
  CHECK_THROWS(edgewise::Bundle::open(shipped("nasbench201"), "embedder"), "'embedder' is needed");
  CHECK_THROWS(edgewise::Bundle::open("/no/such/file"), "cannot be read");
  const std::string bytes = bytes_of(shipped("nasbench201"));
  const auto copy = edgewise::Bundle::from_memory(bytes.data(), bytes.size());
  CHECK(copy.references() == bundle.references());
  CHECK_THROWS(edgewise::Bundle::from_memory(bytes.data(), bytes.size() - 1, "cut"), "cut: ");
  CHECK(status_of([&] { edgewise::Bundle::from_memory(bytes.data(), 100); }) ==
        EDGEWISE_ERROR_BUNDLE);
}

TEST(spaces) {
  const auto space = edgewise::Space::get("nasbench201");
  CHECK(space.name() == "nasbench201");
  CHECK(space.size() == 15625);
  CHECK(space.parse(kArch) == kArch);
  CHECK(space.parse(space.architecture(12345)) == space.architecture(12345));
  double macs = 0.0;
  for (const edgewise::Kernel& k : space.kernels(kArch)) {
    const double window = double{1} * k.kernel_height * k.kernel_width * k.in_channels / k.groups;
    if (std::strcmp(k.op, "conv") == 0 || std::strcmp(k.op, "linear") == 0) {
      macs += window * k.out_height * k.out_width * k.out_channels;
    }
  }
  CHECK_NEAR(2.0 * macs, space.flops(kArch), 1.0);
  CHECK_THROWS(edgewise::Space::get("none"), "nasbench201");
  CHECK_THROWS(space.architecture(15625), "lists 15625");
  CHECK(status_of([&] { (void)space.parse("|nor_conv_3x3~0|"); }) == EDGEWISE_ERROR_ARCHITECTURE);
  CHECK(edgewise::Space::get("ofa").size() == 0);
}

TEST(a_device_without_noise_is_learnt) {
  for (const char* name : {"nasbench201", "fbnet", "ofa"}) {
    const auto bundle = latency_bundle(name);
    const auto space = bundle.space();
    const auto device = calibrated(bundle);
    CHECK(device.timings().size() == 10);
    const std::string arch = bundle.references().back();  // not among the ten
    const edgewise::Prediction p = device.predict(arch);
    CHECK_NEAR(p.ms / milliseconds(space, arch), 1.0, 0.1);
    CHECK(p.low < p.ms && p.ms < p.high);
    const edgewise::Prediction half = device.predict(arch, 0.5);
    CHECK(half.ms == p.ms && half.low > p.low && half.high < p.high);
    const auto many = device.predict(bundle.references());
    CHECK(many.back().ms == p.ms && many.back().low == p.low && many.back().high == p.high);
    CHECK(device.noise() > 0.0);
  }
}

TEST(both_ways_of_calibrating_are_one) {
  const auto bundle = latency_bundle();
  const auto asked = calibrated(bundle);
  std::vector<std::string> archs;
  std::vector<double> ms;
  for (const auto& [arch, time] : asked.timings()) {
    archs.push_back(arch);
    ms.push_back(time);
  }
  std::vector<std::string> first = bundle.references();
  first.resize(10);
  CHECK(archs == first);
  const auto told = edgewise::Device::calibrate(bundle, archs, ms);
  CHECK(told.predict(kArch).ms == asked.predict(kArch).ms);
}

TEST(updating) {
  const auto bundle = latency_bundle();
  auto device = calibrated(bundle);
  const std::string next = device.next_reference();
  for (const auto& [arch, ms] : device.timings()) CHECK(arch != next);
  CHECK(device.next_reference({kArch}) == kArch);
  const double before = device.predict(next).ms;
  device.update(next, 2.0 * before);
  CHECK(device.timings().size() == 11);
  CHECK(device.timings().back() == std::make_pair(next, 2.0 * before));
  CHECK(device.predict(next).ms > before);
  device.update(next, before);  // replaces it
  CHECK(device.timings().size() == 11);
  CHECK_NEAR(device.predict(next).ms / before, 1.0, 0.05);
  CHECK_THROWS(device.update(next, -1.0), "must be a positive number of ms");
  CHECK_THROWS(device.update("none", 1.0), "nasbench201");
  const auto large = latency_bundle("ofa");
  CHECK(calibrated(large).next_reference() != "");  // of the references
}

TEST(a_profile_is_the_device) {
  const TemporaryFile file("profile");
  const auto bundle = latency_bundle();
  auto device = calibrated(bundle);
  device.save(file.path());
  for (const edgewise::Bundle* given : {&bundle, static_cast<const edgewise::Bundle*>(nullptr)}) {
    const auto loaded = edgewise::Device::load(file.path(), given);
    CHECK(loaded.timings() == device.timings());
    CHECK(loaded.predict(kArch).ms == device.predict(kArch).ms);
    CHECK(loaded.predict(kArch).high == device.predict(kArch).high);
  }
  const auto other = latency_bundle("ofa");
  CHECK(status_of([&] { edgewise::Device::load(file.path(), &other); }) == EDGEWISE_ERROR_PROFILE);
  CHECK_THROWS(edgewise::Device::load(shipped("ofa")), "'profile' is needed");
  CHECK(status_of([&] { device.save("/no/such/folder/profile"); }) == EDGEWISE_ERROR_STORAGE);
  CHECK_THROWS(device.save("/no/such/folder/profile"), "create it first");
  CHECK_THROWS(device.save("/tmp"), "it is a folder");
  device.save("/dev/null");  // written to, not replaced
  std::FILE* const null = std::fopen("/dev/null", "r");
  CHECK(null != nullptr && std::fgetc(null) == EOF);
  if (null != nullptr) std::fclose(null);
}

TEST(damaged_profiles) {
  const TemporaryFile file("damaged");
  calibrated(latency_bundle()).save(file.path());
  const std::string good = bytes_of(file.path());
  for (std::size_t at = 0; at < good.size(); at += 37) {
    std::string bad = good;
    bad[at] = static_cast<char>(bad[at] ^ 0x20);
    std::ofstream(file.path(), std::ios::binary | std::ios::trunc) << bad;
    CHECK(status_of([&] { edgewise::Device::load(file.path()); }) != EDGEWISE_OK);
    std::ofstream(file.path(), std::ios::binary | std::ios::trunc) << good.substr(0, at);
    CHECK(status_of([&] { edgewise::Device::load(file.path()); }) == EDGEWISE_ERROR_BUNDLE);
  }
}

TEST(a_callable_that_throws) {
  const auto bundle = latency_bundle();
  int asked = 0;
  const auto gives_up = [&](const std::string&) -> double {
    ++asked;
    throw std::out_of_range("the engine is gone");
  };
  CHECK_THROWS(edgewise::Device::calibrate(bundle, gives_up), "the engine is gone");
  CHECK(asked == 1);
}

TEST(bad_timings) {
  const auto bundle = latency_bundle();
  const auto constant = [](double ms) { return [ms](const std::string&) { return ms; }; };
  for (const double ms : {0.0, -1.0, double{NAN}, double{INFINITY}}) {
    CHECK(status_of([&] { edgewise::Device::calibrate(bundle, constant(ms)); }) ==
          EDGEWISE_ERROR_MEASUREMENT);
  }
  edgewise::CalibrationOptions options;
  options.samples = 25;
  CHECK_THROWS(edgewise::Device::calibrate(bundle, constant(1.0), options), "must be 2 to 24");
  CHECK_THROWS(edgewise::Device::calibrate(bundle, {kArch}, {1.0}), "at least 2");
  CHECK_THROWS(edgewise::Device::calibrate(bundle, {kArch, kArch}, {1.0, 2.0}), "at least 2");
  CHECK_THROWS(edgewise::Device::calibrate(bundle, {kArch}, {}), "as many");
  const auto device = calibrated(bundle);
  CHECK_THROWS(device.predict(kArch, 1.0), "between 0 and 1");
  CHECK(status_of([&] { (void)device.predict(std::vector<std::string>{kArch, "x"}); }) ==
        EDGEWISE_ERROR_ARCHITECTURE);
}

TEST(classifying) {
  auto classifier = three_classes();
  const auto found = classifier.classify(unit(4, 1).data());
  CHECK(found.label == "class 1");
  CHECK_NEAR(found.score, 1.0, 1e-6);
  CHECK_NEAR(found.probability, 1.0 / (1.0 + 2.0 * std::exp(-8.0)), 1e-6);
  CHECK(!found.is_unknown);
  CHECK(classifier.classify(unit(4, 3).data()).is_unknown);
  classifier.remove("class 1");
  CHECK(classifier.classify(unit(4, 1).data()).is_unknown);
  CHECK(classifier.classes() == (std::vector<std::pair<std::string, std::int64_t>>{
                                    {"class 0", 1}, {"class 2", 1}}));
  const std::string longest(1000, 'x');
  classifier.add(longest, unit(4, 1).data());
  CHECK(classifier.classify(unit(4, 1).data()).label == longest);
  CHECK_THROWS(classifier.remove("class 1"), "no class 'class 1'");
  CHECK_THROWS(classifier.add("", unit(4, 1).data()), "label is empty");
  CHECK_THROWS(classifier.add("\xff", unit(4, 1).data()), "not UTF-8");
  CHECK_THROWS(classifier.add("a", std::vector<float>(4).data()), "is zero");
  edgewise::ClassifierOptions options;
  CHECK_THROWS(edgewise::Classifier(options), "at least one value");
  options.dim = 4;
  CHECK(status_of([&] { edgewise::Classifier(options).classify(unit(4, 0).data()); }) ==
        EDGEWISE_ERROR_NOT_CALIBRATED);
  options.temperature = 0.0;
  CHECK_THROWS(edgewise::Classifier(options), "temperature");
}

TEST(the_background_of_an_embedder_is_taken_off_the_score) {
  const TemporaryFile file("background");
  edgewise::Classifier classifier(background_bundle(), "float32");
  classifier.add("a", unit(classifier.dim(), 0).data());
  CHECK(!classifier.classify(unit(classifier.dim(), 0).data()).is_unknown);
  std::vector<float> common(classifier.dim(), 1.0f);  // near the class, and near everything
  common[0] = 3.0f;
  const auto found = classifier.classify(common.data());
  CHECK_NEAR(found.score, 3.0 / std::sqrt(24.0), 1e-6);  // above the threshold of 0.45
  CHECK(found.probability == 1.0);
  CHECK(found.is_unknown);
  classifier.save(file.path());
  CHECK(edgewise::Classifier::load(file.path()).classify(common.data()).is_unknown);
  edgewise::ClassifierOptions options;  // embeddings of the caller's own kind have none
  options.dim = classifier.dim();
  options.threshold = 0.45;
  CHECK(!edgewise::Classifier::load(file.path(), options).classify(common.data()).is_unknown);
}

TEST(a_classifier_file_is_the_classifier) {
  const TemporaryFile file("classifier");
  three_classes().save(file.path());
  edgewise::ClassifierOptions options;
  options.dim = 4;
  options.temperature = 8.0;
  const auto loaded = edgewise::Classifier::load(file.path(), options);
  CHECK(loaded.classes() == three_classes().classes());
  CHECK(loaded.classify(unit(4, 2).data()).probability ==
        three_classes().classify(unit(4, 2).data()).probability);
  options.dim = 5;
  CHECK_THROWS(edgewise::Classifier::load(file.path(), options), "of 4 numbers, not 5");
  CHECK_THROWS(edgewise::Classifier::load(file.path()), "pass it");
  const auto embedder = edgewise::Bundle::open(shipped("embedder"), "embedder");
  CHECK(status_of([&] { edgewise::Classifier::load(file.path(), &embedder); }) ==
        EDGEWISE_ERROR_PROFILE);
  edgewise::Classifier for_embedder(embedder, "int8");
  for_embedder.add("a", unit(for_embedder.dim(), 0).data());
  for_embedder.save(file.path());
  CHECK(edgewise::Classifier::load(file.path()).classes().size() == 1);
  CHECK(edgewise::Classifier::load(file.path(), &embedder).dim() == for_embedder.dim());
  CHECK_THROWS(edgewise::Classifier(embedder, "int4"), "float32 or int8");
}

TEST(nearest) {
  const std::int8_t rows[] = {127, 0, 0, 127, 90, 90};
  const float scales[] = {1.0f / 127, 1.0f / 127, 1.0f / 127};
  const float query[] = {2.0f, 1.9f};
  const auto found = edgewise::nearest(rows, scales, 3, 2, query, 2);
  CHECK(found.size() == 2 && found[0].row == 2 && found[1].row == 0);
  const std::uint8_t mask[] = {0, 1, 0};
  CHECK(edgewise::nearest(rows, scales, 3, 2, query, 3, mask).size() == 1);
  CHECK_THROWS(edgewise::nearest(rows, scales, 3, 2, query, 0), "k");
}

TEST(resizing) {
  const std::uint8_t in[] = {10, 30};
  std::uint8_t out[1] = {};
  CHECK(edgewise_resize(in, 1, 2, 1, out, 1, 1) == EDGEWISE_OK);
  CHECK(out[0] == 20);
  CHECK(edgewise_resize(in, 1, 2, 9, out, 1, 1) == EDGEWISE_ERROR_ARGUMENT);
}

TEST(what_only_c_can_do_wrong) {
  edgewise_device* device = nullptr;
  edgewise_bundle* bundle = nullptr;
  edgewise_prediction p;
  CHECK(edgewise_bundle_open(nullptr, nullptr, &bundle) == EDGEWISE_ERROR_ARGUMENT);
  CHECK(std::strcmp(edgewise_last_error(), "path is NULL") == 0);
  CHECK(edgewise_device_predict(nullptr, kArch, 0.9, &p) == EDGEWISE_ERROR_ARGUMENT);
  CHECK(edgewise_calibrate_by(nullptr, nullptr, nullptr, nullptr, &device) ==
        EDGEWISE_ERROR_ARGUMENT);
  CHECK(device == nullptr && bundle == nullptr);
  const auto made = latency_bundle();
  const auto known = calibrated(made);
  CHECK(edgewise_device_predict(known.get(), nullptr, 0.9, &p) == EDGEWISE_ERROR_ARGUMENT);
  CHECK(edgewise_device_predict_many(known.get(), nullptr, 0, 0.9, nullptr) == EDGEWISE_OK);
  CHECK(edgewise_device_predict_many(known.get(), nullptr, 0, 2.0, nullptr) ==
        EDGEWISE_ERROR_ARGUMENT);
  edgewise_bundle_close(nullptr);
  edgewise_device_close(nullptr);
  edgewise_classifier_close(nullptr);
  CHECK(edgewise_bundle_kind(nullptr) == nullptr);
  CHECK(edgewise_space_size(nullptr) == 0);
  CHECK(std::strcmp(edgewise_status_name(EDGEWISE_ERROR_STORAGE), "EDGEWISE_ERROR_STORAGE") == 0);

  char small[4] = "abc";
  std::size_t length = 0;
  CHECK(edgewise_reference(made.get(), 0, small, sizeof small, &length) ==
        EDGEWISE_ERROR_TOO_SMALL);
  CHECK(std::strcmp(small, "abc") == 0);
  CHECK(length == made.references()[0].size());
  CHECK(edgewise_reference(made.get(), 0, nullptr, 0, &length) == EDGEWISE_ERROR_TOO_SMALL);
}

// A program that was compiled with other versions of the structs.
TEST(structs_of_other_sizes) {
  const auto bundle = latency_bundle();
  const auto measure = [](const char*, void*) { return 1.0; };
  edgewise_device* device = nullptr;
  edgewise_calibration old = EDGEWISE_CALIBRATION_INIT;
  old.struct_size = offsetof(edgewise_calibration, device);  // before there were names
  old.samples = 5;
  old.device = reinterpret_cast<const char*>(1);  // not to be looked at
  CHECK(edgewise_calibrate_by(bundle.get(), measure, nullptr, &old, &device) == EDGEWISE_OK);
  std::size_t count = 0;
  CHECK(edgewise_device_timing_count(device, &count) == EDGEWISE_OK && count == 5);
  edgewise_device_close(device);
  old.struct_size = 0;
  CHECK(edgewise_calibrate_by(bundle.get(), measure, nullptr, &old, &device) ==
        EDGEWISE_ERROR_ARGUMENT);

  const auto classifier = three_classes();
  struct {
    edgewise_classification known;
    double newer;
  } result = {EDGEWISE_CLASSIFICATION_INIT, 7.0};
  result.known.struct_size = sizeof result;
  CHECK(edgewise_classifier_classify(classifier.get(), unit(4, 0).data(), nullptr, 0,
                                     &result.known) == EDGEWISE_OK);
  CHECK(result.known.struct_size == sizeof result && result.newer == 7.0);
  CHECK_NEAR(result.known.score, 1.0, 1e-6);
  edgewise_classification older = EDGEWISE_CLASSIFICATION_INIT;
  older.struct_size = offsetof(edgewise_classification, score);
  older.score = -7.0;
  CHECK(edgewise_classifier_classify(classifier.get(), unit(4, 0).data(), nullptr, 0, &older) ==
        EDGEWISE_OK);
  CHECK(older.score == -7.0 && older.probability > 0.9);
}

TEST(the_last_error_is_the_threads_own) {
  (void)edgewise_space_get("none", nullptr);
  const std::string here = edgewise_last_error();
  std::thread([] {
    CHECK(std::strcmp(edgewise_last_error(), "") == 0);
    (void)edgewise_bundle_open("/no/such/file", nullptr, nullptr);
  }).join();
  CHECK(here == edgewise_last_error());
}

// Predictions meanwhile are those of one state or another: all costs scale with the timings.
TEST(many_threads) {
  const auto bundle = latency_bundle();
  auto device = calibrated(bundle);
  auto classifier = three_classes();
  const double least = 0.5 * device.predict(kArch).ms;
  const double most = 2.0 * device.predict(kArch).ms;
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const double ms = device.predict(kArch).ms;
        wrong += ms < least || ms > most;
        if (t == 0 && i % 20 == 0) device.update(kArch, ms);
        const std::string own = "of thread " + std::to_string(t);
        classifier.add(own, unit(4, 0).data());
        wrong += classifier.classify(unit(4, 1).data()).label != "class 1";
        classifier.remove(own);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(device.timings().size() == 11);
  CHECK(classifier.classes().size() == 3);
}

CHECK_MAIN
