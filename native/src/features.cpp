#include "edgewise/features.hpp"

#include <algorithm>
#include <string_view>

#include "edgewise/error.hpp"
#include "edgewise/space.hpp"
#include "features_of_spaces.hpp"

namespace edgewise {

namespace {

bool is(const Space& space, std::string_view name) { return space.name() == name; }

[[noreturn]] void fail_unknown(const Space& space) {
  throw Error(ErrorKind::kArgument,
              std::string("no latency features for the space ") + space.name());
}

}  // namespace

ExecutionShape execution_shape(const Space& space) {
  return is(space, "nasbench201") ? nasbench201_execution_shape() : ExecutionShape{0, 0};
}

std::vector<double> execution_table(const Space& space, const std::string& semantics) {
  const std::vector<std::string> names = space.semantics();
  const auto found = std::find(names.begin(), names.end(), semantics);
  if (found == names.end()) {
    throw Error(ErrorKind::kArgument, std::string(space.name()) + " has no graph semantics '" +
                                          printable(semantics) + "'");
  }
  if (!is(space, "nasbench201")) return {};
  return nasbench201_execution(static_cast<std::size_t>(found - names.begin()));
}

std::unique_ptr<Features> make_features(const Space& space, const double* execution) {
  if (is(space, "nasbench201")) return make_nasbench201_features(execution);
  if (is(space, "fbnet")) return make_fbnet_features(space);
  if (is(space, "ofa")) return make_ofa_features(space);
  if (is(space, "supernet")) return make_supernet_features(space);
  if (is(space, "transformer")) return make_transformer_features();
  fail_unknown(space);
}

std::vector<FeatureColumn> feature_columns(const Space& space) {
  if (is(space, "nasbench201")) return nasbench201_columns();
  if (is(space, "fbnet")) return fbnet_columns(space);
  if (is(space, "ofa")) return ofa_columns(space);
  if (is(space, "supernet")) return supernet_columns(space);
  if (is(space, "transformer")) return transformer_columns();
  fail_unknown(space);
}

}  // namespace edgewise
