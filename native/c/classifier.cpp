// Few-shot classification by the caller's embeddings.
#include <utility>
#include <vector>

#include "edgewise/bundle_writer.hpp"
#include "edgewise/classifier_file.hpp"
#include "edgewise/storage.hpp"
#include "handles.hpp"

using namespace edgewise::c;
using edgewise::Answer;
using edgewise::Bundle;
using edgewise::ClassState;
using edgewise::EmbedderFacts;
using edgewise::Error;
using edgewise::ErrorKind;
using edgewise::Metric;
using edgewise::printable;
using edgewise::SavedClassifier;

namespace {

constexpr const char* kFloat32 = "float32";
constexpr const char* kInt8 = "int8";

EmbedderFacts facts_of(const edgewise_classifier_options* options) {
  expect(options, "options");
  const edgewise_classifier_options read =
      read_struct(options, EDGEWISE_CLASSIFIER_OPTIONS_INIT, "options");
  if (read.metric != EDGEWISE_COSINE && read.metric != EDGEWISE_EUCLIDEAN) {
    throw Error(ErrorKind::kArgument, "options->metric is unknown");
  }
  EmbedderFacts facts;
  facts.dim = read.dim;
  facts.metric = read.metric == EDGEWISE_COSINE ? Metric::kCosine : Metric::kEuclidean;
  facts.calibration = {read.temperature, read.threshold};
  const double score = 0.0;
  (void)edgewise::judge(&score, 1, facts.calibration);  // refuses constants now, not later
  return facts;
}

void expect_label(const char* label) {
  expect(label, "label");
  if (*label == '\0') throw Error(ErrorKind::kArgument, "label is empty");
  if (!edgewise::is_utf8(label)) throw Error(ErrorKind::kArgument, "label is not UTF-8");
}

SavedClassifier read_prototypes(const char* path) {
  SavedClassifier saved = edgewise::read_classifier(*Bundle::open(path, "classifier"));
  if (saved.head == "prototype") return saved;
  throw Error(ErrorKind::kProfile, std::string(path) + ": has the head '" +
                                       printable(saved.head) +
                                       "', which needs the Python package");
}

// The classes of a file, which must be such as `facts` says.
edgewise_classifier* restored(SavedClassifier saved, const EmbedderFacts& facts,
                              const char* path) {
  if (saved.dim != facts.dim || saved.metric != facts.metric) {
    throw Error(ErrorKind::kProfile,
                std::string(path) + ": holds classes of " + std::to_string(saved.dim) +
                    " numbers, not " + std::to_string(facts.dim) + ", or of another metric");
  }
  try {
    return new edgewise_classifier{{saved.dim, saved.metric, std::move(saved.classes)},
                                   facts.calibration,
                                   std::move(saved.embedder),
                                   std::move(saved.precision)};
  } catch (const Error& error) {
    throw Error(ErrorKind::kProfile, std::string(path) + ": " + error.what());
  }
}

}  // namespace

extern "C" {

edgewise_status edgewise_classifier_create(const edgewise_classifier_options* options,
                                           edgewise_classifier** classifier) {
  return guarded([&] {
    expect(classifier, "classifier");
    const EmbedderFacts facts = facts_of(options);
    *classifier =
        new edgewise_classifier{{facts.dim, facts.metric}, facts.calibration, {}, kFloat32};
  });
}

edgewise_status edgewise_classifier_create_for(const edgewise_bundle* embedder,
                                               const char* precision,
                                               edgewise_classifier** classifier) {
  return guarded([&] {
    expect(embedder, "embedder");
    expect(precision, "precision");
    expect(classifier, "classifier");
    if (std::strcmp(precision, kFloat32) != 0 && std::strcmp(precision, kInt8) != 0) {
      throw Error(ErrorKind::kArgument,
                  "precision must be float32 or int8, not '" + printable(precision) + "'");
    }
    const EmbedderFacts facts = edgewise::embedder_facts(*embedder->bundle);
    *classifier = new edgewise_classifier{{facts.dim, facts.metric},
                                          facts.calibration,
                                          edgewise::refer_to(*embedder->bundle),
                                          precision};
  });
}

void edgewise_classifier_close(edgewise_classifier* classifier) { delete classifier; }

size_t edgewise_classifier_dim(const edgewise_classifier* classifier) {
  return classifier == nullptr ? 0 : classifier->classes.dim();
}

edgewise_status edgewise_classifier_add(edgewise_classifier* classifier, const char* label,
                                        const float* embeddings, size_t n) {
  return guarded([&] {
    expect(classifier, "classifier");
    expect_label(label);
    expect_array(embeddings, n, "embeddings");
    classifier->classes.add(label, embeddings, n);
  });
}

edgewise_status edgewise_classifier_remove(edgewise_classifier* classifier, const char* label) {
  return guarded([&] {
    expect(classifier, "classifier");
    expect(label, "label");
    if (classifier->classes.remove(label)) return;
    throw Error(ErrorKind::kArgument, "there is no class '" + printable(label) + "'");
  });
}

edgewise_status edgewise_classifier_class_count(const edgewise_classifier* classifier,
                                                size_t* count) {
  return guarded([&] {
    expect(classifier, "classifier");
    expect(count, "count");
    *count = classifier->classes.labels().size();
  });
}

edgewise_status edgewise_classifier_class(const edgewise_classifier* classifier, size_t index,
                                          char* buffer, size_t capacity, size_t* length,
                                          int64_t* examples) {
  return guarded([&] {
    expect(classifier, "classifier");
    const std::vector<ClassState> classes = classifier->classes.snapshot();
    if (index >= classes.size()) {
      throw Error(ErrorKind::kArgument, "index is " + std::to_string(index) + ", and there are " +
                                            std::to_string(classes.size()) + " classes");
    }
    give(classes[index].label, buffer, capacity, length);
    if (examples != nullptr) *examples = classes[index].examples;
  });
}

edgewise_status edgewise_classifier_classify(const edgewise_classifier* classifier,
                                             const float* embedding, char* label, size_t capacity,
                                             edgewise_classification* result) {
  return guarded([&] {
    expect(classifier, "classifier");
    expect(embedding, "embedding");
    expect(result, "result");
    const std::size_t size = known_size(*result, "result");
    static thread_local Answer answer;  // kept, so that calls stop allocating
    if (!classifier->classes.classify(embedding, classifier->calibration, answer)) {
      throw StatusError(EDGEWISE_ERROR_NOT_CALIBRATED,
                        "there is no class yet: show one first, edgewise_classifier_add");
    }
    if (label != nullptr || capacity != 0) give(answer.label, label, capacity, nullptr);
    const edgewise_classification found = {result->struct_size, answer.judgement.probability,
                                           answer.score, answer.judgement.unknown ? 1 : 0};
    std::memcpy(result, &found, size);
  });
}

edgewise_status edgewise_classifier_save(const edgewise_classifier* classifier, const char* path) {
  return guarded([&] {
    expect(classifier, "classifier");
    expect(path, "path");
    SavedClassifier saved;
    saved.precision = classifier->precision;
    saved.metric = classifier->classes.metric();
    saved.dim = classifier->classes.dim();
    saved.classes = classifier->classes.snapshot();
    saved.embedder = classifier->embedder;
    const std::string bytes = edgewise::classifier_bytes(saved);
    edgewise::write_atomic(path, {bytes});
  });
}

edgewise_status edgewise_classifier_load(const char* path, const edgewise_bundle* embedder,
                                         edgewise_classifier** classifier) {
  return guarded([&] {
    expect(path, "path");
    expect(classifier, "classifier");
    SavedClassifier saved = read_prototypes(path);
    const auto bundle = edgewise::resolve(
        saved.embedder, embedder == nullptr ? nullptr : embedder->bundle, "embedder", path);
    *classifier = restored(std::move(saved), edgewise::embedder_facts(*bundle), path);
  });
}

edgewise_status edgewise_classifier_load_own(const char* path,
                                             const edgewise_classifier_options* options,
                                             edgewise_classifier** classifier) {
  return guarded([&] {
    expect(path, "path");
    expect(classifier, "classifier");
    const EmbedderFacts facts = facts_of(options);
    *classifier = restored(read_prototypes(path), facts, path);
  });
}

}  // extern "C"
