// Features of NAS-Bench-201: which operation each edge of the cell executes.
#include <algorithm>
#include <array>
#include <string>

#include "edgewise/nasbench201.hpp"
#include "features_of_spaces.hpp"

namespace edgewise {

namespace {

using namespace nasbench201;

constexpr int kPatterns = 1 << kEdges;  // which edges are not `none`
constexpr int kRealOps = kOps - 1;      // `none` is the base that the others are measured from
constexpr int kNetworkColumn = kEdges * kRealOps;

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

ExecutionShape nasbench201_execution_shape() noexcept { return {kPatterns, kEdges}; }

std::vector<double> nasbench201_execution(std::size_t rule) {
  std::vector<double> table(kPatterns * kEdges, 0.0);
  for (int present = 0; present < kPatterns; ++present) {
    std::array<std::uint8_t, kEdges> codes{};
    for (int e = 0; e < kEdges; ++e) codes[e] = ((present >> e) & 1) != 0 ? kSkipConnect : kNone;
    const std::uint8_t kept = kept_edges(codes.data(), static_cast<Semantics>(rule));
    for (int e = 0; e < kEdges; ++e) table[present * kEdges + e] = (kept >> e) & 1;
  }
  return table;
}

std::unique_ptr<Features> make_nasbench201_features(const double* execution) {
  return std::make_unique<NasBench201Features>(execution);
}

std::vector<FeatureColumn> nasbench201_columns() {
  std::vector<FeatureColumn> columns;
  for (int e = 0; e < kEdges; ++e) {
    const std::string edge = std::to_string(kTarget[e]) + "<-" + std::to_string(kSource[e]);
    for (int op = 1; op < kOps; ++op) {
      columns.push_back({std::string(kOpNames[op]) + "@" + edge, FeatureKind::kCount, {}});
    }
  }
  columns.push_back({"network", FeatureKind::kNetwork, {}});
  return columns;
}

}  // namespace edgewise
