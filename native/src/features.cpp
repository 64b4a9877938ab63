#include "edgewise/features.hpp"

#include <algorithm>
#include <array>

#include "edgewise/error.hpp"
#include "edgewise/nasbench201.hpp"
#include "edgewise/space.hpp"

namespace edgewise {

namespace {

using namespace nasbench201;

constexpr int kPatterns = 1 << kEdges;  // which edges are not `none`
constexpr int kRealOps = kOps - 1;      // `none` is the base that the others are measured from
constexpr int kNetworkColumn = kEdges * kRealOps;

const Space& expect_nasbench201(const Space& space) {
  if (std::string(space.name()) != "nasbench201") {
    throw Error(ErrorKind::kArgument,
                std::string("no latency features for the space ") + space.name());
  }
  return space;
}

// One column per edge and operation, and one for the rest of the network.
class NasBench201Features final : public Features {
 public:
  explicit NasBench201Features(const double* execution) {
    std::copy(execution, execution + execution_.size(), execution_.begin());
  }

  std::size_t columns() const noexcept override { return kNetworkColumn + 1; }

  void row(const std::uint8_t* codes, FeatureRow& row) const noexcept override {
    const double* share = &execution_[static_cast<std::size_t>(present_edges(codes)) * kEdges];
    row.size = 0;
    for (int e = 0; e < kEdges; ++e) {
      if (codes[e] == kNone || share[e] == 0.0) continue;
      row.add(e * kRealOps + codes[e] - 1, share[e]);
    }
    row.add(kNetworkColumn, 1.0);
  }

 private:
  std::array<double, kPatterns * kEdges> execution_;
};

}  // namespace

ExecutionShape execution_shape(const Space& space) {
  expect_nasbench201(space);
  return {kPatterns, kEdges};
}

std::vector<double> execution_table(const Space& space, const std::string& semantics) {
  expect_nasbench201(space);
  const std::vector<std::string> names = space.semantics();
  const auto found = std::find(names.begin(), names.end(), semantics);
  if (found == names.end()) {
    throw Error(ErrorKind::kArgument, "nasbench201 has no graph semantics '" + semantics + "'");
  }
  const auto rule = static_cast<Semantics>(found - names.begin());
  std::vector<double> table(kPatterns * kEdges, 0.0);
  for (int present = 0; present < kPatterns; ++present) {
    std::array<std::uint8_t, kEdges> codes{};
    for (int e = 0; e < kEdges; ++e) codes[e] = ((present >> e) & 1) != 0 ? kSkipConnect : kNone;
    const std::uint8_t kept = kept_edges(codes.data(), rule);
    for (int e = 0; e < kEdges; ++e) table[present * kEdges + e] = (kept >> e) & 1;
  }
  return table;
}

std::unique_ptr<Features> make_features(const Space& space, const double* execution) {
  expect_nasbench201(space);
  return std::make_unique<NasBench201Features>(execution);
}

std::vector<std::string> feature_names(const Space& space) {
  expect_nasbench201(space);
  std::vector<std::string> names;
  for (int e = 0; e < kEdges; ++e) {
    const std::string edge = std::to_string(kTarget[e]) + "<-" + std::to_string(kSource[e]);
    for (int op = 1; op < kOps; ++op) names.push_back(std::string(kOpNames[op]) + "@" + edge);
  }
  names.emplace_back("network");
  return names;
}

}  // namespace edgewise
