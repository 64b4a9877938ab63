#include "edgewise/classifier_file.hpp"

#include <cmath>
#include <memory>
#include <utility>

#include "edgewise/bundle_writer.hpp"
#include "edgewise/error.hpp"
#include "saved_json.hpp"

namespace edgewise {
namespace {

using nlohmann::json;

const char* metric_name(Metric metric) {
  return metric == Metric::kCosine ? "cosine" : "euclidean";
}

// False for an unknown name.
bool metric_from(const std::string& name, Metric& metric) {
  for (const Metric each : {Metric::kCosine, Metric::kEuclidean}) {
    if (name != metric_name(each)) continue;
    metric = each;
    return true;
  }
  return false;
}

}  // namespace

std::string classifier_bytes(const SavedClassifier& classifier) {
  std::vector<std::string> labels;
  std::vector<std::int64_t> examples;
  std::vector<double> sums;
  for (const ClassState& each : classifier.classes) {
    labels.push_back(each.label);
    examples.push_back(each.examples);
    sums.insert(sums.end(), each.sum.begin(), each.sum.end());
  }
  const std::size_t n = labels.size();
  const json manifest = {{"head", classifier.head},
                         {"precision", classifier.precision},
                         {"metric", metric_name(classifier.metric)},
                         {"labels", labels},
                         {"embedder", json_of(classifier.embedder)}};
  return bundle_bytes("classifier", std::to_string(n) + " classes", ascii_text(manifest),
                      {tensor_of("examples", examples, {n}),
                       tensor_of("sums", sums, {n, classifier.dim})});
}

SavedClassifier read_classifier(const Bundle& bundle) {
  const SavedManifest saved(bundle, "classifier");
  SavedClassifier classifier;
  classifier.head = saved.text("head");
  classifier.precision = saved.text("precision");
  if (!metric_from(saved.text("metric"), classifier.metric)) saved.fail("its metric is unknown");
  classifier.embedder = saved.reference("embedder");
  const std::vector<std::string> labels = saved.texts("labels");
  const std::vector<std::int64_t> examples = saved.integers("examples", {labels.size()});
  if (!bundle.contains("sums")) saved.fail("it has no tensor 'sums'");
  const Tensor& tensor = bundle.tensor("sums");
  if (tensor.shape.size() != 2 || tensor.shape[1] == 0) saved.fail("'sums' is no matrix");
  classifier.dim = tensor.shape[1];
  const std::vector<double> sums = saved.doubles("sums", {labels.size(), classifier.dim});
  for (std::size_t i = 0; i < labels.size(); ++i) {
    const auto begin = sums.begin() + static_cast<std::ptrdiff_t>(i * classifier.dim);
    classifier.classes.push_back(
        {labels[i], examples[i], {begin, begin + static_cast<std::ptrdiff_t>(classifier.dim)}});
  }
  return classifier;
}

namespace {

[[noreturn]] void fail(const Bundle& embedder, const std::string& cause) {
  throw Error(ErrorKind::kBundle, embedder.label() + ": " + cause);
}

// What the rule `background` needs: directions from two tensors, constants from the manifest.
std::shared_ptr<const Background> read_background(const Bundle& embedder, const json& unknown) {
  const Tensor& rows = embedder.tensor("background");
  const Tensor& scales = embedder.tensor("background.scale");
  if (rows.dtype != DType::kI8 || rows.shape.size() != 2 || scales.dtype != DType::kF32 ||
      scales.shape != std::vector<std::size_t>{rows.shape[0]}) {
    fail(embedder, "its background is not int8 of two axes with a float32 scale for each row");
  }
  const json& nearest = unknown.at("nearest");
  if (!nearest.is_number_unsigned()) fail(embedder, "its background has no number of nearest");
  const auto* const numbers = reinterpret_cast<const std::int8_t*>(rows.data);
  const auto* const factors = reinterpret_cast<const float*>(scales.data);
  try {
    return std::make_shared<const Background>(
        std::vector<std::int8_t>(numbers, numbers + rows.elements()),
        std::vector<float>(factors, factors + scales.elements()), rows.shape[1],
        unknown.at("share").get<double>(), nearest.get<std::size_t>());
  } catch (const Error& error) {
    fail(embedder, error.what());
  }
}

// By the manifest's `unknown`: the background, or null where the best score alone is judged.
std::shared_ptr<const Background> background_of(const Bundle& embedder, const json& unknown,
                                                const EmbedderFacts& facts) {
  const std::string rule = unknown.value("rule", "best_score");
  if (rule == "best_score") return nullptr;
  if (rule != "background") fail(embedder, "its rule is unknown here");
  auto background = read_background(embedder, unknown);
  if (facts.metric != Metric::kCosine || background->dim() != facts.dim) {
    fail(embedder, "its background does not go with its metric or its dimension");
  }
  return background;
}

}  // namespace

EmbedderFacts embedder_facts(const Bundle& embedder) {
  const json manifest = parse_object(embedder.manifest(), "the manifest");
  EmbedderFacts facts;
  try {
    const json& about = manifest.at("embedder");
    const json& unknown = about.at("unknown");
    // A number too large for an integer is read as one with a point, which none may become again.
    if (!about.at("dim").is_number_unsigned()) fail(embedder, "its dimension is no whole number");
    facts.dim = static_cast<std::size_t>(about.at("dim").get<std::uint64_t>());
    if (!metric_from(about.at("metric").get<std::string>(), facts.metric)) {
      fail(embedder, "its metric is unknown here");
    }
    facts.calibration = {about.at("temperature").get<double>(),
                         unknown.at("threshold").get<double>(),
                         background_of(embedder, unknown, facts)};
  } catch (const json::exception& error) {
    fail(embedder, std::string("the manifest says too little of the embedder: ") + error.what());
  }
  const Calibration& found = facts.calibration;
  if (!(found.temperature > 0.0) || !std::isfinite(found.temperature) ||
      std::isnan(found.threshold) || facts.dim == 0) {
    fail(embedder, "its embedder has constants that cannot be");
  }
  return facts;
}

}  // namespace edgewise
