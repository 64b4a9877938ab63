#include "edgewise/space.hpp"

#include <algorithm>
#include <array>
#include <random>
#include <unordered_set>

#include "edgewise/error.hpp"
#include "edgewise/fbnet.hpp"
#include "edgewise/nasbench201.hpp"
#include "edgewise/ofa.hpp"
#include "edgewise/supernet.hpp"
#include "edgewise/transformer.hpp"

namespace edgewise {
namespace {

std::array<const Space*, 5> all_spaces() {
  static const NasBench201 nasbench201;
  static const FBNet fbnet;
  static const OnceForAll ofa;
  static const Transformer transformer;
  static const Supernet supernet;
  return {&nasbench201, &fbnet, &ofa, &transformer, &supernet};
}

std::string joined(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

// Few choices as they are, many as "128, 132, ..., 224".
std::string listed(const std::vector<std::uint8_t>& choices) {
  constexpr std::size_t kShown = 10;
  std::vector<std::string> names;
  for (const std::uint8_t choice : choices) names.push_back(std::to_string(choice));
  if (names.size() > kShown) {
    names.erase(names.begin() + 2, names.end() - 1);
    names.insert(names.begin() + 2, "...");
  }
  return joined(names);
}

}  // namespace

std::string Space::why(const std::uint8_t* codes, std::size_t position) const {
  return std::string(name()) + ": position " + std::to_string(position) + " holds " +
         std::to_string(codes[position]) + "; it may be " + listed(choices()[position]);
}

double Space::flops(const std::uint8_t* codes, std::string_view semantics) const {
  double macs = 0.0;
  for (const Kernel& kernel : lower(codes, semantics)) macs += kernel.macs();
  return 2.0 * macs;
}

void Space::encode(std::string_view text, std::uint8_t* codes) const {
  if (!try_encode(text.data(), text.size(), codes)) explain(text);
}

void Space::check(const std::uint8_t* codes) const {
  const std::size_t position = fault(codes);
  if (position < code_length()) throw Error(ErrorKind::kArgument, why(codes, position));
}

std::vector<std::uint8_t> Space::draw(std::size_t count, std::uint64_t seed) const {
  if (size() != 0 && count > size()) {
    throw Error(ErrorKind::kArgument, std::string(name()) + " has " + std::to_string(size()) +
                                          " architectures, not " + std::to_string(count));
  }
  const std::vector<std::vector<std::uint8_t>> all = choices();
  std::mt19937_64 random(seed);  // its numbers are fixed by the standard; distributions' are not
  std::unordered_set<std::string> seen;
  std::vector<std::uint8_t> drawn;
  drawn.reserve(count * code_length());
  std::string codes(code_length(), '\0');
  while (seen.size() < count) {
    for (std::size_t i = 0; i < all.size(); ++i) {
      codes[i] = static_cast<char>(all[i][random() % all[i].size()]);
    }
    canonical(reinterpret_cast<std::uint8_t*>(codes.data()));
    if (seen.insert(codes).second) drawn.insert(drawn.end(), codes.begin(), codes.end());
  }
  return drawn;
}

std::size_t Space::index_of(std::string_view name_given) const {
  const std::vector<std::string> known = semantics();
  const auto it = std::find(known.begin(), known.end(), name_given);
  if (it == known.end()) {
    throw Error(ErrorKind::kArgument, std::string(name()) + ": unknown semantics '" +
                                          printable(name_given) + "'; one of " + joined(known));
  }
  return static_cast<std::size_t>(it - known.begin());
}

std::vector<std::string> space_names() {
  std::vector<std::string> names;
  for (const Space* space : all_spaces()) names.emplace_back(space->name());
  return names;
}

const Space& get_space(std::string_view name) {
  for (const Space* space : all_spaces()) {
    if (name == space->name()) return *space;
  }
  throw Error(ErrorKind::kArgument,
              "unknown space '" + printable(name) + "'; there is " + joined(space_names()));
}

}  // namespace edgewise
