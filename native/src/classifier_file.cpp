#include "edgewise/classifier_file.hpp"

#include <cmath>

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

EmbedderFacts embedder_facts(const Bundle& embedder) {
  const auto fail = [&](const std::string& cause) {
    throw Error(ErrorKind::kBundle, embedder.label() + ": " + cause);
  };
  const json manifest = parse_object(embedder.manifest(), "the manifest");
  EmbedderFacts facts;
  try {
    const json& about = manifest.at("embedder");
    const json& unknown = about.at("unknown");
    const auto dim = about.at("dim").get<std::uint64_t>();
    facts.dim = static_cast<std::size_t>(dim);
    facts.calibration = {about.at("temperature").get<double>(),
                         unknown.at("threshold").get<double>()};
    if (unknown.value("rule", "best_score") != "best_score") fail("its rule is unknown here");
    if (!metric_from(about.at("metric").get<std::string>(), facts.metric)) {
      fail("its metric is unknown here");
    }
  } catch (const json::exception& error) {
    fail(std::string("the manifest says too little of the embedder: ") + error.what());
  }
  const Calibration& found = facts.calibration;
  if (!(found.temperature > 0.0) || !std::isfinite(found.temperature) ||
      std::isnan(found.threshold) || facts.dim == 0) {
    fail("its embedder has constants that cannot be");
  }
  return facts;
}

}  // namespace edgewise
