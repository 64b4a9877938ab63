// A classifier as a file: each class's sum and number of examples, and which embedder made them.
// The format is the bundle's, with kind `classifier`; fewshot/classifier_file.py of the Python
// package reads and writes the same. No picture is in it.
#pragma once

#include <string>
#include <vector>

#include "edgewise/bundle.hpp"
#include "edgewise/bundle_reference.hpp"
#include "edgewise/prototypes.hpp"

namespace edgewise {

struct SavedClassifier {
  std::string head = "prototype";
  std::string precision = "float32";  // of the embedder's model that gave the embeddings
  Metric metric = Metric::kCosine;
  std::size_t dim = 0;
  std::vector<ClassState> classes;
  BundleReference embedder;  // all empty where the app has an embedder of its own
};

// The bytes of the file.
std::string classifier_bytes(const SavedClassifier& classifier);

// Error(kBundle) for one that is no classifier, Error(kProfile) for one that is incomplete.
SavedClassifier read_classifier(const Bundle& bundle);

// What an `embedder` bundle says of the vectors that its network gives.
struct EmbedderFacts {
  std::size_t dim = 0;
  Metric metric = Metric::kCosine;
  Calibration calibration;  // with the bundle's background, where its rule is that
};

// Error(kBundle) when the bundle lacks them or they cannot be.
EmbedderFacts embedder_facts(const Bundle& embedder);

}  // namespace edgewise
