// The few-shot head: a class is the mean of its examples' embeddings, a picture belongs to the
// nearest class. Snell, Swersky and Zemel, "Prototypical Networks for Few-shot Learning" (NIPS
// 2017, arXiv 1703.05175), sections 2.2 and 2.3.
//
//   Prototypes classes(512, Metric::kCosine);
//   classes.add("mug", embeddings, 5);                 // again: more examples
//   Scores scores = classes.score(embedding, 1);
//   Judgement answer = judge(scores.values.data(), scores.labels.size(), calibration);
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <memory>
#include <shared_mutex>
#include <string>
#include <unordered_map>
#include <vector>

#include "edgewise/background.hpp"

namespace edgewise {

// How near an embedding is to a class.
enum class Metric {
  kCosine,     // cosine between embedding and prototype, -1 to 1; examples count by direction only
  kEuclidean,  // minus the squared distance, at most 0
};

// Constants that the host set on classes that were in no training, for one embedder.
struct Calibration {
  double temperature = 1.0;  // probabilities are softmax(temperature * score)
  // A picture is of no known class when its best score, less the level of the background where there
  // is one, is below this.
  double threshold = -std::numeric_limits<double>::infinity();
  std::shared_ptr<const Background> background = nullptr;  // for kCosine only
};

struct Judgement {
  std::size_t best = 0;      // the class of the best score; the first of equals
  double probability = 0.0;  // of that class, if the picture is of one of the classes
  bool unknown = false;
};

// Judges one picture by its `count` scores, at least one, and by the level of the background. With
// `probabilities`, the softmax is written there. Error(kArgument) when there is no score or one is not
// finite, the temperature is not a finite number above 0, or the threshold is NaN.
Judgement judge(const double* scores, std::size_t count, const Calibration& calibration,
                double level = 0.0, double* probabilities = nullptr);

// What is kept of a class.
struct ClassState {
  std::string label;
  std::int64_t examples = 0;
  std::vector<double> sum;  // (dim) of the examples; for kCosine of their directions
};

// Scores of N embeddings against the classes there were at that moment.
struct Scores {
  std::vector<std::string> labels;  // (C) in the order of their first example
  std::vector<double> values;       // (N, C) row-major
};

// The answer to one embedding. Kept from one call to the next, so that classifying allocates nothing
// once it has grown to the number of classes, the longest label and the background.
struct Answer {
  Judgement judgement;
  double score = 0.0;          // of the best class
  std::string label;           // of the best class
  std::vector<double> scores;  // (C)
  NearestBuffers buffers;      // what the background is searched with
};

// Classes that grow and go while they are used. Adding an example costs O(dim), whatever the number
// of classes and examples; scoring one embedding O(classes * dim).
// Thread-safety: all members may be called from any number of threads; each sees whole classes.
class Prototypes {
 public:
  // Error(kArgument) when `dim` is 0.
  Prototypes(std::size_t dim, Metric metric);
  // The classes of `state`, as `snapshot` gave them. Error(kArgument) when a sum has another size
  // or is not finite, examples are not positive, or a label occurs twice.
  Prototypes(std::size_t dim, Metric metric, std::vector<ClassState> state);

  std::size_t dim() const noexcept { return dim_; }
  Metric metric() const noexcept { return metric_; }

  // Adds `n` embeddings (n, dim) to the class, which need not exist: all of them or, with
  // Error(kArgument), none: n is 0, a value is not finite, or for kCosine an embedding is zero.
  void add(const std::string& label, const float* embeddings, std::size_t n);

  // False when there is no such class.
  bool remove(const std::string& label);

  std::vector<std::string> labels() const;
  std::vector<ClassState> snapshot() const;

  // Scores of `n` embeddings (n, dim). Error(kArgument) as for `add`, but n may be 0.
  Scores score(const float* embeddings, std::size_t n) const;

  // The level of the background for one embedding (dim); 0 without one. Error(kArgument) as for `score`,
  // and for a background of another dim or beside another metric than kCosine.
  double level(const float* embedding, const Calibration& calibration,
               NearestBuffers& buffers) const;

  // Scores one embedding (dim) and judges it. False when there are no classes. Error(kArgument) as
  // for `level` and `judge`.
  bool classify(const float* embedding, const Calibration& calibration, Answer& answer) const;

 private:
  // The prototype is kept as scoring reads it: for kCosine at unit length.
  struct Class {
    ClassState state;
    std::vector<float> prototype;
  };

  void expect_usable(const float* embeddings, std::size_t n) const;
  void update_prototype(Class& entry) const;
  double score_one(const float* embedding, double scale, const Class& entry) const noexcept;
  void score_all(const float* embedding, std::vector<double>& values) const;  // appends
  Class& insert(const std::string& label);  // an empty class

  std::size_t dim_;
  Metric metric_;
  std::vector<std::unique_ptr<Class>> classes_;
  std::unordered_map<std::string, Class*> by_label_;
  mutable std::shared_mutex mutex_;
};

}  // namespace edgewise
