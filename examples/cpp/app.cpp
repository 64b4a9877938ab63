// An app in C++: it learns this device by timing ten networks in its own engine, predicts others,
// and classifies by classes that it was shown. The twin of examples/c/app.c, with the same arguments:
//
//   edgewise_example latency BUNDLE PROFILE RUNS ARCH...
//   edgewise_example recorded BUNDLE PROFILE TIMINGS ARCH...
//   edgewise_example predict BUNDLE PROFILE ARCH...
//   edgewise_example classify EMBEDDER FILE EXAMPLES QUERIES
//   edgewise_example ask EMBEDDER FILE QUERIES
#include <cstdio>
#include <edgewise/edgewise.hpp>
#include <exception>
#include <fstream>
#include <iterator>
#include <sstream>
#include <stdexcept>
#include <string>
#include <vector>

#include "matrix_engine.hpp"

namespace {

using Strings = std::vector<std::string>;

constexpr double kConfidence = 0.9;

struct Row {
  std::string name;
  std::vector<double> values;
};

// Lines of "name TAB number number ...".
std::vector<Row> read_table(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + ": cannot be read");
  std::vector<Row> rows;
  for (std::string line; std::getline(file, line);) {
    const std::size_t tab = line.find('\t');
    std::istringstream numbers(tab == std::string::npos ? "" : line.substr(tab + 1));
    Row row{line.substr(0, tab), {std::istream_iterator<double>(numbers), {}}};
    if (row.values.empty() || !numbers.eof()) {
      throw std::runtime_error(path + ": line " + std::to_string(rows.size() + 1) +
                               " is not a name, a tab and numbers");
    }
    rows.push_back(std::move(row));
  }
  return rows;
}

void print_predictions(const edgewise::Device& device, const Strings& archs) {
  const std::vector<edgewise::Prediction> found = device.predict(archs, kConfidence);
  for (std::size_t i = 0; i < archs.size(); ++i) {
    std::printf("predicted\t%s\t%.12g\t%.12g\t%.12g\n", archs[i].c_str(), found[i].ms,
                found[i].low, found[i].high);
  }
}

edgewise::Device calibrate_here(const edgewise::Bundle& bundle, int runs) {
  MatrixEngine engine(bundle.space(), runs);
  edgewise::CalibrationOptions options;
  options.runtime = "examples/cpp/matrix_engine.cpp";
  return edgewise::Device::calibrate(
      bundle, [&](const std::string& arch) { return engine.milliseconds(arch); }, options);
}

edgewise::Device calibrate_recorded(const edgewise::Bundle& bundle, const std::string& path) {
  Strings archs;
  std::vector<double> ms;
  for (const Row& row : read_table(path)) {
    archs.push_back(row.name);
    ms.push_back(row.values.front());
  }
  return edgewise::Device::calibrate(bundle, archs, ms);
}

void latency(const Strings& words) {
  const edgewise::Bundle bundle = edgewise::Bundle::open(words[1], "latency");
  const edgewise::Device device = words[0] == "latency"
                                      ? calibrate_here(bundle, std::stoi(words[3]))
                                      : calibrate_recorded(bundle, words[3]);
  for (const auto& [arch, ms] : device.timings()) {
    std::printf("timed\t%s\t%.12g\n", arch.c_str(), ms);
  }
  print_predictions(device, Strings(words.begin() + 4, words.end()));
  std::printf("next\t%s\n", device.next_reference().c_str());
  device.save(words[2]);
}

void predict(const Strings& words) {
  const edgewise::Bundle bundle = edgewise::Bundle::open(words[1], "latency");
  const edgewise::Device device = edgewise::Device::load(words[2], &bundle);
  print_predictions(device, Strings(words.begin() + 3, words.end()));
}

// The numbers of an embedding, which must be as many as the classifier takes.
std::vector<float> embedding(const Row& row, const edgewise::Classifier& classifier) {
  if (row.values.size() != classifier.dim()) {
    throw std::runtime_error(row.name + ": " + std::to_string(row.values.size()) +
                             " numbers, not " + std::to_string(classifier.dim()));
  }
  return std::vector<float>(row.values.begin(), row.values.end());
}

void print_answers(const edgewise::Classifier& classifier, const std::string& queries) {
  for (const Row& row : read_table(queries)) {
    const edgewise::Classification found = classifier.classify(embedding(row, classifier).data());
    std::printf("classified\t%s\t%s\t%.12g\t%d\n", row.name.c_str(), found.label.c_str(),
                found.probability, found.is_unknown ? 1 : 0);
  }
}

void ask(const Strings& words) {
  const edgewise::Bundle bundle = edgewise::Bundle::open(words[1], "embedder");
  print_answers(edgewise::Classifier::load(words[2], &bundle), words[3]);
}

void classify(const Strings& words) {
  const edgewise::Bundle bundle = edgewise::Bundle::open(words[1], "embedder");
  edgewise::Classifier classifier(bundle, "float32");
  for (const Row& row : read_table(words[3])) {
    classifier.add(row.name, embedding(row, classifier).data());
  }
  print_answers(classifier, words[4]);
  classifier.save(words[2]);
}

}  // namespace

int main(int argc, char** argv) {
  const Strings words(argv + 1, argv + argc);
  const std::string what = words.empty() ? "" : words[0];
  try {
    if ((what == "latency" || what == "recorded") && words.size() > 3) {
      latency(words);
    } else if (what == "predict" && words.size() > 2) {
      predict(words);
    } else if (what == "classify" && words.size() == 5) {
      classify(words);
    } else if (what == "ask" && words.size() == 4) {
      ask(words);
    } else {
      std::fprintf(stderr,
                   "usage: edgewise_example latency|recorded BUNDLE PROFILE RUNS|TIMINGS ARCH...\n"
                   "       edgewise_example predict BUNDLE PROFILE ARCH...\n"
                   "       edgewise_example classify EMBEDDER FILE EXAMPLES QUERIES\n"
                   "       edgewise_example ask EMBEDDER FILE QUERIES\n");
      return 2;
    }
  } catch (const edgewise::Error& error) {
    std::fprintf(stderr, "%s: %s\n", edgewise_status_name(error.status()), error.what());
    return 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
  return 0;
}
