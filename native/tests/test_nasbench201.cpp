// The fast parser and the masks against slow twins that share nothing with them.
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <random>
#include <regex>
#include <string>
#include <vector>

#include "check.hpp"
#include "edgewise/error.hpp"
#include "edgewise/nasbench201.hpp"

using namespace edgewise;
using namespace edgewise::nasbench201;

namespace {

const char* const kFull =
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|nor_conv_3x3~0|nor_conv_3x3~1|nor_conv_3x3~2|";

bool matches(const std::string& text) {
  static const std::string op = "(none|skip_connect|nor_conv_1x1|nor_conv_3x3|avg_pool_3x3)";
  static const std::regex whole("\\|" + op + "~0\\|\\+\\|" + op + "~0\\|" + op + "~1\\|\\+\\|" + op +
                                "~0\\|" + op + "~1\\|" + op + "~2\\|");
  return std::regex_match(text, whole);
}

// Parses from a heap block of exactly the text's size, so that a sanitizer sees any read past it.
bool parses(const std::string& text, std::uint8_t* codes) {
  const std::unique_ptr<char[]> exact(new char[text.size()]);
  std::memcpy(exact.get(), text.data(), text.size());
  return parse_nasbench201(exact.get(), text.size(), codes);
}

std::string mutated(std::string text, std::mt19937& random) {
  static const char alphabet[] = "|+~012345nosk_ipcetrvx1avgl";
  const auto below = [&](std::size_t n) { return random() % n; };
  for (std::size_t times = 1 + below(2); times > 0; --times) {
    const std::size_t at = below(text.size());
    const char letter = alphabet[below(sizeof alphabet - 1)];
    switch (below(4)) {
      case 0: text[at] = letter; break;
      case 1: text.erase(at, 1 + below(14)); break;
      case 2: text.insert(at, 1, letter); break;
      default: text.resize(at); break;
    }
    if (text.empty()) break;
  }
  return text;
}

// All ways from node `from` to node `to` over present edges, by recursion.
void walk(std::uint8_t present, int from, int to, std::vector<int>& way, std::uint8_t& on_a_way) {
  if (from == to) {
    for (const int edge : way) on_a_way = static_cast<std::uint8_t>(on_a_way | (1 << edge));
    return;
  }
  for (int e = 0; e < kEdges; ++e) {
    if (((present >> e) & 1) == 0 || kSource[e] != from) continue;
    way.push_back(e);
    walk(present, kTarget[e], to, way, on_a_way);
    way.pop_back();
  }
}

}  // namespace

TEST(every_architecture_round_trips) {
  const NasBench201 space;
  std::uint8_t expected[kEdges];
  std::uint8_t actual[kEdges];
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < space.size(); ++i) {
    space.codes_of(i, expected);
    const std::string text = space.decode(expected);
    wrong += !matches(text) || !parses(text, actual) || std::memcmp(expected, actual, kEdges) != 0;
  }
  CHECK(wrong == 0);
}

TEST(damaged_strings_are_told_from_whole_ones) {
  const NasBench201 space;
  std::mt19937 random(7);
  std::uint8_t codes[kEdges];
  std::size_t disagreements = 0;
  std::size_t refused = 0;
  for (int i = 0; i < 60000; ++i) {
    space.codes_of(random() % kSize, codes);
    const std::string text = mutated(space.decode(codes), random);
    const bool good = matches(text);
    disagreements += parses(text, codes) != good;
    if (good) continue;
    ++refused;
    // The explanation must find a fault in the text, before or at its end.
    const std::string why = check::thrown([&] { space.explain(text); });
    const std::size_t at = why.find("at character ");
    if (at == std::string::npos || std::stoul(why.substr(at + 13)) > text.size()) ++disagreements;
  }
  CHECK(disagreements == 0);
  CHECK(refused > 50000);
}

TEST(explanations_give_position_and_cure) {
  const NasBench201 space;
  std::uint8_t codes[kEdges];
  CHECK_THROWS(space.encode("", codes), "at character 0: the string ends where '|' belongs");
  CHECK_THROWS(space.encode("|conv_7x7~0|", codes), "at character 1: unknown operation 'conv_7x7'");
  CHECK_THROWS(space.encode("|none~1|", codes), "at character 6: expected '0'");
  CHECK_THROWS(space.encode(std::string(kFull) + "\n", codes), "unexpected text after the end");
  CHECK_THROWS(space.encode("|foo~0|", codes), "none, skip_connect, nor_conv_1x1");
}

TEST(masks_agree_with_walking_every_way) {
  for (int present = 0; present < 64; ++present) {
    const auto mask = static_cast<std::uint8_t>(present);
    std::uint8_t useful = 0;
    std::uint8_t live = 0;
    std::vector<int> way;
    for (int node = 0; node < kNodes - 1; ++node) walk(mask, node, kNodes - 1, way, useful);
    walk(mask, 0, kNodes - 1, way, live);
    CHECK(reachable_edges(mask) == useful);
    CHECK(live_edges(mask) == live);
  }
}

TEST(kernels_of_the_full_network) {
  const NasBench201 space;
  std::uint8_t codes[kEdges];
  space.encode(kFull, codes);
  // The benchmark's own figure for this network is 220.12 M multiply-accumulates.
  CHECK_NEAR(space.flops(codes, "live") / 2e6, 220.11968, 1e-9);
  // Stem 1; 15 cells of 6 x (relu, conv) + 3 additions; 2 reductions of 7; head 4.
  CHECK(space.lower(codes, "live").size() == 1 + 15 * 15 + 2 * 7 + 4);
}

TEST(a_network_without_a_path) {
  const NasBench201 space;
  std::uint8_t codes[kEdges];
  // Only 3<-2 holds an operation, and nothing feeds node 2.
  space.encode("|none~0|+|none~0|none~1|+|none~0|none~1|nor_conv_3x3~2|", codes);
  CHECK(!has_path(codes));
  CHECK(space.lower(codes, "live").empty());
  CHECK(space.lower(codes, "reachable").size() == 2 + 4);  // in the last cell, and the head
  CHECK(space.lower(codes, "all").size() == 1 + 15 * (5 + 2 + 3) + 2 * 7 + 4);
  CHECK_THROWS(space.lower(codes, "magic"), "one of all, reachable, live");
}

CHECK_MAIN
