#include "edgewise/space.hpp"

#include "edgewise/error.hpp"
#include "edgewise/nasbench201.hpp"

namespace edgewise {

double Space::flops(const std::uint8_t* codes, std::string_view semantics) const {
  double macs = 0.0;
  for (const Kernel& kernel : lower(codes, semantics)) macs += kernel.macs();
  return 2.0 * macs;
}

void Space::encode(std::string_view text, std::uint8_t* codes) const {
  if (!try_encode(text.data(), text.size(), codes)) explain(text);
}

std::vector<std::string> space_names() { return {"nasbench201"}; }

const Space& get_space(std::string_view name) {
  static const NasBench201 nasbench201;
  if (name == nasbench201.name()) return nasbench201;
  std::string known;
  for (const std::string& each : space_names()) known += (known.empty() ? "" : ", ") + each;
  throw Error(ErrorKind::kArgument,
              "unknown space '" + printable(name) + "'; there is " + known);
}

}  // namespace edgewise
