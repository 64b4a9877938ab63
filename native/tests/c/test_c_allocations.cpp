// Predicting and classifying allocate nothing once a thread is warm. Counted are operator new and,
// where no sanitizer has taken its place, malloc: of this program, of libedgewise and of what it
// calls.
#include <atomic>
#include <cstddef>
#include <new>

#include "check.hpp"
#include "fixtures.hpp"

namespace {
std::atomic<std::size_t> allocations{0};
}

#if defined(__GLIBC__) && !defined(EDGEWISE_SANITIZED)
extern "C" {
void* __libc_malloc(std::size_t size);
void* __libc_calloc(std::size_t count, std::size_t size);
void* __libc_realloc(void* old, std::size_t size);
void* malloc(std::size_t size) {
  ++allocations;
  return __libc_malloc(size);
}
void* calloc(std::size_t count, std::size_t size) {
  ++allocations;
  return __libc_calloc(count, size);
}
void* realloc(void* old, std::size_t size) {
  ++allocations;
  return __libc_realloc(old, size);
}
}
#endif

// Not inline: GCC would see free() take what operator new gave, and warn.
[[gnu::noinline]] void* operator new(std::size_t size) {
  ++allocations;
  void* const memory = std::malloc(size);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, std::size_t) noexcept {
  std::free(memory);
}

namespace {

// Allocations of the second of two calls.
template <typename Call>
std::size_t when_warm(const Call& call) {
  call();
  const std::size_t before = allocations;
  call();
  return allocations - before;
}

}  // namespace

TEST(what_is_counted) {
  const std::size_t before = allocations;
  operator delete(operator new(1));  // by name, so that no compiler leaves it out
  CHECK(allocations > before);
  const auto bundle = latency_bundle();
  const std::size_t opened = allocations;
  calibrated(bundle);
  CHECK(allocations > opened + 100);  // those of the library are seen
}

TEST(predicting_allocates_nothing) {
  for (const char* name : {"nasbench201", "fbnet", "ofa"}) {
    const auto bundle = latency_bundle(name);
    const auto device = calibrated(bundle);
    const std::vector<std::string> archs = bundle.references();
    std::vector<const char*> pointers;
    for (const std::string& arch : archs) pointers.push_back(arch.c_str());
    std::vector<edgewise_prediction> found(archs.size());
    for (const double confidence : {0.9, 0.5}) {
      CHECK(when_warm([&] {
              for (const char* arch : pointers) {
                CHECK(edgewise_device_predict(device.get(), arch, confidence, found.data()) ==
                      EDGEWISE_OK);
              }
            }) == 0);
      CHECK(when_warm([&] {
              CHECK(edgewise_device_predict_many(device.get(), pointers.data(), pointers.size(),
                                                 confidence, found.data()) == EDGEWISE_OK);
            }) == 0);
    }
  }
}

TEST(classifying_allocates_nothing) {
  edgewise::ClassifierOptions options;
  options.dim = 256;
  options.temperature = 10.0;
  edgewise::Classifier own(options);
  edgewise::Classifier with_background(background_bundle(), "float32");
  for (edgewise::Classifier* classifier : {&own, &with_background}) {
    const std::size_t dim = classifier->dim();
    for (std::size_t i = 0; i < 100; ++i) {
      const std::string label = "a class with a long name, number " + std::to_string(i);
      classifier->add(label, unit(dim, i % dim).data());
    }
    const std::vector<float> query = unit(dim, 7);
    char label[128];
    CHECK(when_warm([&] {
            edgewise_classification found = EDGEWISE_CLASSIFICATION_INIT;
            CHECK(edgewise_classifier_classify(classifier->get(), query.data(), label,
                                               sizeof label, &found) == EDGEWISE_OK);
          }) == 0);
  }
}

CHECK_MAIN
