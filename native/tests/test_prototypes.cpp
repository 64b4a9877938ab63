// The prototype head by hand, and from many threads. Its slow twin is in
// tests/sdk/test_prototypes.py.
#include <atomic>
#include <cmath>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "check.hpp"
#include "edgewise/prototypes.hpp"

using namespace edgewise;

namespace {

using Labels = std::vector<std::string>;

void add(Prototypes& classes, const std::string& label, const std::vector<float>& embeddings) {
  classes.add(label, embeddings.data(), embeddings.size() / classes.dim());
}

std::vector<double> scores(const Prototypes& classes, const std::vector<float>& embedding) {
  return classes.score(embedding.data(), 1).values;
}

}  // namespace

TEST(euclidean_by_hand) {
  Prototypes classes(2, Metric::kEuclidean);
  add(classes, "a", {1, 0, 3, 0});
  add(classes, "b", {0, 5});
  CHECK(scores(classes, {2, 1}) == (std::vector<double>{-1, -20}));
  add(classes, "a", {2, 3});  // the mean of three examples is now (2, 1)
  CHECK(scores(classes, {2, 1}) == (std::vector<double>{0, -20}));
}

TEST(cosine_by_hand) {
  Prototypes classes(2, Metric::kCosine);
  add(classes, "a", {100, 0, 0, 0.5f});  // the length of an example does not count
  add(classes, "b", {-3, 0});
  const std::vector<double> values = scores(classes, {0, 7});
  CHECK_NEAR(values[0], std::sqrt(0.5), 1e-7);
  CHECK_NEAR(values[1], 0.0, 1e-7);
  CHECK(scores(classes, {9, 0})[1] == -1.0);
  add(classes, "b", {3, 0});  // its examples cancel out: no direction, score 0
  CHECK(scores(classes, {9, 0})[1] == 0.0);
}

TEST(classes_come_and_go) {
  Prototypes classes(1, Metric::kEuclidean);
  CHECK(classes.labels().empty());
  const float nothing = 0;
  CHECK(classes.score(&nothing, 1).values.empty());
  for (const char* label : {"a", "b", "c"}) add(classes, label, {1});
  CHECK(classes.remove("b"));
  CHECK(!classes.remove("b"));
  CHECK(classes.labels() == (Labels{"a", "c"}));
  add(classes, "b", {5});  // nothing of what it was is left
  CHECK(classes.labels() == (Labels{"a", "c", "b"}));
  CHECK(scores(classes, {5}) == (std::vector<double>{-16, -16, 0}));
}

TEST(a_snapshot_restores_the_classes) {
  Prototypes classes(2, Metric::kCosine);
  add(classes, "a", {1, 2, -3, 1, 0.5f, 0.25f});
  add(classes, "b", {0, 1});
  Prototypes same(2, Metric::kCosine, classes.snapshot());
  CHECK(same.labels() == classes.labels());
  CHECK(scores(same, {1, 3}) == scores(classes, {1, 3}));
  add(classes, "a", {4, 4});
  add(same, "a", {4, 4});
  CHECK(scores(same, {1, 3}) == scores(classes, {1, 3}));
  CHECK(same.snapshot()[0].examples == 4);
}

TEST(judging) {
  const double values[] = {-1.0, 0.5, 0.5};
  double probabilities[3] = {};
  const Judgement judgement = judge(values, 3, {2.0, 0.5}, 0.0, probabilities);
  CHECK(judgement.best == 1);  // the first of equals
  CHECK(!judgement.unknown);   // the threshold itself is known
  CHECK_NEAR(judgement.probability, 1.0 / (2.0 + std::exp(-3.0)), 1e-15);
  CHECK_NEAR(probabilities[0], std::exp(-3.0) / (2.0 + std::exp(-3.0)), 1e-15);
  CHECK(probabilities[1] == judgement.probability);
  CHECK(judge(values, 3, {2.0, 0.51}).unknown);
  CHECK(!judge(values, 3, {}).unknown);
  CHECK(judge(values, 3, {2.0, 0.4}, 0.2).unknown);    // 0.5 less 0.2
  CHECK(!judge(values, 3, {2.0, 0.4}, -0.2).unknown);  // less than nothing in common
  CHECK(judge(values, 3, {2.0, 0.4}, 0.2).probability == judgement.probability);
  const double far[] = {-1e300, 1e300};
  CHECK(judge(far, 2, {1e6, 0.0}).probability == 1.0);
}

TEST(a_background_is_taken_off_the_best_score) {
  // Directions (1, 0), (0, 1) and (-1, 0), of which the two nearest count by half.
  const std::vector<std::int8_t> rows = {127, 0, 0, 127, -127, 0};
  const std::vector<float> scales(3, 1.0f / 127);
  const auto background = std::make_shared<const Background>(rows, scales, 2, 0.5, 2);
  NearestBuffers buffers;
  const float upwards[] = {0, 5};
  CHECK_NEAR(background->level(upwards, buffers), 0.5 * (1.0 + 0.0) / 2, 1e-6);
  const float down_right[] = {1, -1};
  CHECK_NEAR(background->level(down_right, buffers), 0.5 * 0.0, 1e-6);  // two of +-sqrt(0.5)

  Prototypes classes(2, Metric::kCosine);
  add(classes, "up", {0, 1});
  Answer answer;
  CHECK(classes.classify(upwards, {10.0, 0.74, background}, answer));
  CHECK(!answer.judgement.unknown);
  CHECK_NEAR(answer.score, 1.0, 1e-6);  // of the class, as without
  CHECK(classes.classify(upwards, {10.0, 0.76, background}, answer));
  CHECK(answer.judgement.unknown);
  CHECK(answer.judgement.probability == 1.0);
  CHECK(classes.classify(upwards, {10.0, 0.76}, answer));
  CHECK(!answer.judgement.unknown);

  const float three[] = {1, 0, 0};
  Prototypes wider(3, Metric::kCosine);
  add(wider, "a", {1, 0, 0});
  CHECK_THROWS(wider.classify(three, {10.0, 0.0, background}, answer), "of 2 numbers");
  Prototypes distances(2, Metric::kEuclidean);
  add(distances, "a", {1, 0});
  CHECK_THROWS(distances.classify(upwards, {10.0, 0.0, background}, answer), "for cosines");
}

TEST(a_background_that_cannot_be) {
  const std::vector<std::int8_t> rows = {127, 0, 0, 127};
  const std::vector<float> scales(2, 1.0f / 127);
  const float nan = std::nanf("");
  CHECK_THROWS(Background({}, {}, 2, 0.5, 1), "0 directions has no 1 nearest");
  CHECK_THROWS(Background(rows, scales, 0, 0.5, 1), "numbers for each direction");
  CHECK_THROWS(Background(rows, scales, 3, 0.5, 1), "numbers for each direction");
  CHECK_THROWS(Background(rows, {1.0f / 127}, 2, 0.5, 1), "numbers for each direction");
  CHECK_THROWS(Background(rows, {1.0f / 127, nan}, 2, 0.5, 1), "direction 1 of the background");
  CHECK_THROWS(Background(rows, {1.0f, 1.0f}, 2, 0.5, 1), "not of unit length");
  CHECK_THROWS(Background(rows, scales, 2, 1.0, 1), "share");
  CHECK_THROWS(Background(rows, scales, 2, -0.1, 1), "share");
  CHECK_THROWS(Background(rows, scales, 2, nan, 1), "share");
  CHECK_THROWS(Background(rows, scales, 2, 0.5, 0), "has no 0 nearest");
  CHECK_THROWS(Background(rows, scales, 2, 0.5, 3), "has no 3 nearest");
}

TEST(bad_input) {
  const double one[] = {0.0};
  const double nan[] = {std::nan("")};
  CHECK_THROWS(judge(one, 0, {}), "no class to choose from");
  CHECK_THROWS(judge(nan, 1, {}), "score 0 is not finite");
  CHECK_THROWS(judge(one, 1, {0.0, 0.0}), "temperature must be a finite number above 0");
  CHECK_THROWS(judge(one, 1, {1.0, nan[0]}), "threshold of the unknown is not a number");
  CHECK_THROWS(Prototypes(0, Metric::kCosine), "at least one value");

  Prototypes classes(2, Metric::kCosine);
  CHECK_THROWS(add(classes, "a", {}), "class 'a' is given no examples");
  CHECK_THROWS(add(classes, "a", {1, 1, 0, std::nanf("")}), "embedding 1 is not finite");
  CHECK_THROWS(add(classes, "a", {1, 1, 0, 0}), "embedding 1 is zero");
  CHECK(classes.labels().empty());  // all or none
  CHECK_THROWS(scores(classes, {0, INFINITY}), "embedding 0 is not finite");

  const auto restored = [](std::vector<ClassState> state) {
    return Prototypes(2, Metric::kCosine, std::move(state)).labels().size();
  };
  CHECK_THROWS(restored({{"a", 1, {1, 2}}, {"a", 1, {1, 2}}}), "class 'a' occurs twice");
  CHECK_THROWS(restored({{"a", 0, {1, 2}}}), "class 'a' has no examples");
  CHECK_THROWS(restored({{"a", 1, {1}}}), "a sum of 1 values, not 2");
  CHECK_THROWS(restored({{"a", 1, {1, nan[0]}}}), "a sum that is not finite");
}

// Classes are added to, removed and asked for at once; every answer is of whole classes: all
// examples are the same, so any mean of them is that example.
TEST(many_threads) {
  Prototypes classes(3, Metric::kEuclidean);
  const std::vector<float> example = {1, 2, 3};
  add(classes, "stays", example);
  std::atomic<int> wrong{0};
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&, t] {
      const std::string own = "of thread " + std::to_string(t);
      for (int i = 0; i < 500; ++i) {
        add(classes, own, example);
        add(classes, "stays", example);
        const Scores found = classes.score(example.data(), 1);
        if (found.labels.size() != found.values.size()) ++wrong;
        for (const double value : found.values) wrong += value != 0.0;
        if (i % 3 == 0) classes.remove(own);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(wrong == 0);
  CHECK(classes.snapshot()[0].examples == 2001);
}

CHECK_MAIN
