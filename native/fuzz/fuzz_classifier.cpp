// Classifier files, and what embedders say of themselves: classes that are read can be asked, saved
// and read again.
#include <cmath>

#include "edgewise/classifier_file.hpp"
#include "forge.hpp"

namespace {

using edgewise::Answer;
using edgewise::Bundle;
using edgewise::Calibration;
using edgewise::ErrorKind;
using edgewise::Prototypes;
using edgewise::SavedClassifier;
using edgewise::fuzz::allowed;

void use(const SavedClassifier& saved, const Calibration& calibration) {
  const std::string bytes = edgewise::classifier_bytes(saved);
  const auto bundle = Bundle::from_bytes(bytes.data(), bytes.size(), "again");
  EXPECT(edgewise::classifier_bytes(edgewise::read_classifier(*bundle)) == bytes);

  Prototypes classes(saved.dim, saved.metric, saved.classes);
  EXPECT(classes.labels().size() == saved.classes.size());
  std::vector<float> embedding(saved.dim, 0.5f);
  Answer answer;
  if (classes.classify(embedding.data(), calibration, answer)) {
    EXPECT(answer.judgement.probability >= 0.0 && answer.judgement.probability <= 1.0);
  }
  classes.add("new", embedding.data(), 1);
  EXPECT(classes.remove("new"));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view input(reinterpret_cast<const char*>(data), size);
  const auto bundle = edgewise::fuzz::forged("classifier", input);
  if (bundle == nullptr) return 0;
  Calibration calibration{10.0, 0.5};
  allowed({ErrorKind::kBundle}, [&] {
    const edgewise::EmbedderFacts facts = edgewise::embedder_facts(*bundle);
    EXPECT(facts.dim > 0 && facts.calibration.temperature > 0.0);
    const auto& background = facts.calibration.background;
    EXPECT(background == nullptr || background->dim() == facts.dim);
    calibration = facts.calibration;
  });
  allowed({ErrorKind::kBundle, ErrorKind::kProfile, ErrorKind::kArgument},
          [&] { use(edgewise::read_classifier(*bundle), calibration); });
  return 0;
}
