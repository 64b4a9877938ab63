// One handle, many threads: nothing is lost, nothing is half. `make tsan` runs this under the thread
// sanitizer, which also sees what happens to go well.
#include <atomic>
#include <thread>

#include "check.hpp"
#include "fixtures.hpp"

namespace {

constexpr int kThreads = 6;
constexpr std::size_t kDim = 16;

// Runs `body` with the number of each thread, all at once.
template <typename Body>
void at_once(const Body& body) {
  std::atomic<int> waiting{kThreads};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      --waiting;
      while (waiting > 0) std::this_thread::yield();
      body(t);
    });
  }
  for (std::thread& thread : threads) thread.join();
}

edgewise::Classifier classifier_of(std::size_t dim) {
  edgewise::ClassifierOptions options;
  options.dim = dim;
  return edgewise::Classifier(options);
}

}  // namespace

TEST(no_timing_is_lost) {
  const auto bundle = latency_bundle();
  auto device = calibrated(bundle);
  const auto space = bundle.space();
  const std::vector<std::string> references = bundle.references();
  std::atomic<int> wrong{0};
  at_once([&](int t) {
    for (int i = 0; i < 3; ++i) {
      const std::string arch = space.architecture(static_cast<std::size_t>(1000 + 97 * t + i));
      device.update(arch, milliseconds(space, arch));
      wrong += !(device.predict(arch).ms > 0.0);
      wrong += device.next_reference(references).empty();
    }
  });
  CHECK(wrong == 0);
  CHECK(device.timings().size() == 10 + 3 * kThreads);
}

TEST(predictions_meanwhile_are_whole) {
  const auto bundle = latency_bundle();
  auto device = calibrated(bundle);
  const std::vector<std::string> archs = bundle.references();
  const std::vector<edgewise::Prediction> before = device.predict(archs);
  std::atomic<int> wrong{0};
  at_once([&](int t) {
    for (int i = 0; i < 20; ++i) {
      if (t == 0) {
        device.update(archs[0], before[0].ms * (i % 2 == 0 ? 1.2 : 0.8));
        continue;
      }
      const std::vector<edgewise::Prediction> one = device.predict(archs);
      for (const edgewise::Prediction& p : one) wrong += !(p.low < p.ms && p.ms < p.high);
      wrong += one.size() != archs.size() || device.noise() <= 0.0;
    }
  });
  CHECK(wrong == 0);
}

TEST(no_example_is_lost) {
  auto classifier = classifier_of(kDim);
  std::atomic<int> wrong{0};
  constexpr int kRounds = 60;
  at_once([&](int t) {
    const std::string own = "of thread " + std::to_string(t);
    for (int i = 0; i < kRounds; ++i) {
      classifier.add("everybody's", unit(kDim, 0).data());
      classifier.add(own, unit(kDim, 1 + static_cast<std::size_t>(t)).data());
      const auto found = classifier.classify(unit(kDim, 1 + static_cast<std::size_t>(t)).data());
      wrong += found.label != own;
      if (i + 1 < kRounds) classifier.remove(own);
    }
  });
  CHECK(wrong == 0);
  const auto classes = classifier.classes();
  CHECK(classes.size() == 1 + kThreads);
  for (const auto& [label, examples] : classes) {
    CHECK(examples == (label == "everybody's" ? kRounds * kThreads : 1));
  }
}

TEST(what_is_saved_meanwhile_is_whole) {
  const TemporaryFile profile("threads-profile");
  const TemporaryFile classes("threads-classes");
  const auto bundle = latency_bundle();
  auto device = calibrated(bundle);
  auto classifier = classifier_of(kDim);
  classifier.add("first", unit(kDim, 0).data());
  device.save(profile.path());
  classifier.save(classes.path());
  edgewise::ClassifierOptions options;
  options.dim = kDim;
  const std::string arch = bundle.references().back();
  std::atomic<int> wrong{0};
  at_once([&](int t) {
    for (int i = 0; i < 5; ++i) {
      if (t % 2 == 0) {
        device.update(arch, 1.0 + t + i);
        classifier.add("of thread " + std::to_string(t), unit(kDim, 1).data());
        device.save(profile.path());
        classifier.save(classes.path());
      } else {
        const auto loaded = edgewise::Device::load(profile.path(), &bundle);
        wrong += loaded.timings().size() < 10 || loaded.timings().size() > 11;
        wrong += edgewise::Classifier::load(classes.path(), options).classes().empty();
      }
    }
  });
  CHECK(wrong == 0);
}

TEST(what_is_shared_without_a_handle) {
  std::atomic<int> wrong{0};
  at_once([&](int t) {
    const auto bundle = latency_bundle();  // the file is mapped by each
    for (const char* name : {"nasbench201", "fbnet", "ofa", "supernet"}) {
      const auto large = edgewise::Bundle::open(shipped(name), "latency");
      const auto space = large.space();
      const std::string arch = large.references()[static_cast<std::size_t>(t)];
      wrong += space.kernels(arch).empty() || !(space.flops(arch) >= 0.0);
      wrong += space.parse(arch).empty();
      wrong += status_of([&] { (void)space.parse("none"); }) != EDGEWISE_ERROR_ARCHITECTURE;
    }
    wrong += std::string(edgewise_last_error()).empty();
    const std::uint8_t in[] = {10, 30};
    std::uint8_t out[1] = {};
    wrong += edgewise_resize(in, 1, 2, 1, out, 1, 1) != EDGEWISE_OK || out[0] != 20;
  });
  CHECK(wrong == 0);
}

// Tensors are checked when they are first asked for: here by all at once.
TEST(one_bundle) {
  for (int round = 0; round < 5; ++round) {
    const auto bundle = edgewise::Bundle::open(shipped("network"), "latency");
    std::atomic<int> wrong{0};
    at_once([&](int) {
      wrong += bundle.data("network.mean").second == 0;
      bundle.verify();
    });
    CHECK(wrong == 0);
  }
}

CHECK_MAIN
