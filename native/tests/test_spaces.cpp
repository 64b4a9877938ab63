// Readers of architectures that are given damaged text, and codes of every space.
#include <cstring>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "check.hpp"
#include "edgewise/error.hpp"
#include "edgewise/space.hpp"

using namespace edgewise;

namespace {

constexpr int kDrawn = 200;

// Encodes from a heap block of exactly the text's size, so that a sanitizer sees any read past it.
bool encodes(const Space& space, const std::string& text, std::uint8_t* codes) {
  const std::unique_ptr<char[]> exact(new char[text.size()]);
  std::memcpy(exact.get(), text.data(), text.size());
  return space.try_encode(exact.get(), text.size(), codes);
}

std::string mutated(std::string text, std::mt19937& random) {
  static const char alphabet[] = "|+~,:{}[]\"0123456789-.eknosr_gdE ";
  const auto below = [&](std::size_t n) { return random() % n; };
  for (std::size_t times = 1 + below(2); times > 0 && !text.empty(); --times) {
    const std::size_t at = below(text.size());
    const char letter = alphabet[below(sizeof alphabet - 1)];
    switch (below(4)) {
      case 0: text[at] = letter; break;
      case 1: text.erase(at, 1 + below(14)); break;
      case 2: text.insert(at, 1, letter); break;
      default: text.resize(at); break;
    }
  }
  return text;
}

std::vector<const Space*> spaces() {
  std::vector<const Space*> all;
  for (const std::string& name : space_names()) all.push_back(&get_space(name));
  return all;
}

}  // namespace

TEST(drawn_codes_are_canonical_architectures_and_round_trip) {
  for (const Space* space : spaces()) {
    const std::size_t length = space->code_length();
    const std::vector<std::uint8_t> drawn = space->draw(kDrawn, 3);
    CHECK(drawn == space->draw(kDrawn, 3));
    CHECK(drawn != space->draw(kDrawn, 4));
    std::vector<std::uint8_t> codes(length);
    for (int i = 0; i < kDrawn; ++i) {
      const std::uint8_t* const row = &drawn[i * length];
      CHECK(space->fault(row) == length);
      CHECK(encodes(*space, space->decode(row), codes.data()));
      CHECK(std::memcmp(codes.data(), row, length) == 0);
      space->canonical(codes.data());
      CHECK(std::memcmp(codes.data(), row, length) == 0);
    }
  }
}

// What is accepted means what its canonical string means; what is refused is explained at a place
// within the text.
TEST(damaged_text) {
  std::mt19937 random(11);
  for (const Space* space : spaces()) {
    const std::size_t length = space->code_length();
    const std::vector<std::uint8_t> drawn = space->draw(kDrawn, 5);
    std::vector<std::uint8_t> codes(length);
    std::vector<std::uint8_t> again(length);
    std::size_t wrong = 0;
    std::size_t refused = 0;
    for (int i = 0; i < 20000; ++i) {
      const std::string text =
          mutated(space->decode(&drawn[random() % kDrawn * length]), random);
      if (encodes(*space, text, codes.data())) {
        wrong += !encodes(*space, space->decode(codes.data()), again.data()) || codes != again;
        continue;
      }
      ++refused;
      const std::string why = check::thrown([&] { space->explain(text); });
      const std::size_t at = why.find("at character ");
      wrong += at == std::string::npos || std::stoul(why.substr(at + 13)) > text.size();
      wrong += why.find(space->name()) != 0;
    }
    CHECK(wrong == 0);
    CHECK(refused > 15000);
  }
}

TEST(a_code_that_is_no_choice_is_a_fault_where_it_stands) {
  for (const Space* space : spaces()) {
    const std::vector<std::vector<std::uint8_t>> choices = space->choices();
    const std::vector<std::uint8_t> codes = space->draw(1, 9);
    CHECK(choices.size() == space->code_length());
    for (std::size_t at = 0; at < choices.size(); ++at) {
      std::vector<bool> allowed(256);
      for (const std::uint8_t choice : choices[at]) allowed[choice] = true;
      CHECK(!allowed[255]);
      for (int value = 0; value < 256; ++value) {
        std::vector<std::uint8_t> changed = codes;
        changed[at] = static_cast<std::uint8_t>(value);
        if (!allowed[value]) CHECK(space->fault(changed.data()) == at);
      }
    }
  }
}

TEST(no_more_than_there_are_can_be_drawn) {
  const Space& space = get_space("nasbench201");
  CHECK(space.draw(0, 1).empty());
  CHECK(space.draw(space.size(), 1).size() == 6 * space.size());
  CHECK_THROWS(space.draw(space.size() + 1, 1), "has 15625 architectures, not 15626");
}

CHECK_MAIN
