// The fast reader of NAS-Bench-201 strings. A prediction from a string costs little else, so it is
// written without branches on what the operations are: a random mix of them would mispredict.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace edgewise {
namespace nasbench201 {
namespace detail {

// The bytes of `text` from `from` on as one little-endian number.
constexpr std::uint64_t packed(const char* text, int from, int count) {
  std::uint64_t value = 0;
  for (int i = 0; i < count; ++i) {
    value |= std::uint64_t{static_cast<unsigned char>(text[from + i])} << (8 * i);
  }
  return value;
}

template <class Integer>
Integer load(const char* p) noexcept {
  static_assert(sizeof(Integer) <= 8);
  Integer value;
  std::memcpy(&value, p, sizeof value);
  return value;
}

// An operation's name is compared as its first 4 bytes and, of the long names, the 8 after them.
// For the short name "none" the 8 bytes are taken from the '|' before it, which keeps the load
// inside the string, and masked away.
struct Name {
  std::uint32_t head;
  std::uint64_t tail;
  std::uint64_t tail_mask;
};

constexpr Name long_name(const char* name) {
  return {static_cast<std::uint32_t>(packed(name, 0, 4)), packed(name, 4, 8), ~std::uint64_t{0}};
}

inline constexpr std::array<Name, 5> kNames = {{
    {static_cast<std::uint32_t>(packed("none", 0, 4)), 0, 0},
    long_name("skip_connect"),
    long_name("nor_conv_1x1"),
    long_name("nor_conv_3x3"),
    long_name("avg_pool_3x3"),
}};

// What the third character of a name tells; convolutions share it, and count as 1x1 here.
struct Guess {
  std::uint8_t code;
  std::uint8_t length;       // of the name; 0 when no name has this character
  std::int8_t tail;          // where the 8 bytes of Name::tail lie
  std::uint8_t convolution;  // 1 for the two whose kernel size is to be looked at
};

constexpr std::array<Guess, 256> guess_table() {
  std::array<Guess, 256> table{};
  table['n'] = {0, 4, -1, 0};
  table['i'] = {1, 12, 4, 0};
  table['r'] = {2, 12, 4, 1};
  table['g'] = {4, 12, 4, 0};
  return table;
}

inline constexpr std::array<Guess, 256> kGuesses = guess_table();

}  // namespace detail
}  // namespace nasbench201

// Reads '|op~0|+|op~0|op~1|+|op~0|op~1|op~2|' into six codes; false when it is anything else, and
// `codes` is then undefined. Reads `length` bytes and no more; allocates nothing.
inline bool parse_nasbench201(const char* text, std::size_t length,
                              std::uint8_t codes[6]) noexcept {
  using namespace nasbench201::detail;
  constexpr char kSources[] = "001012";
  const char* p = text;
  const char* const end = text + length;
  bool good = true;
  for (int e = 0; e < 6; ++e) {
    if (e == 1 || e == 3) {  // a node's group ends
      if (end - p < 2) return false;
      good &= p[0] == '|' && p[1] == '+';
      p += 2;
    }
    if (end - p < 8) return false;  // "|none~0|" is the least that can follow
    good &= *p++ == '|';
    const Guess guess = kGuesses[static_cast<unsigned char>(p[2])];
    if (guess.length == 0 || end - p < guess.length + 3) return false;
    const auto tail = load<std::uint64_t>(p + guess.tail);
    // '1' and '3' differ in bit 1 of the sixth byte of "conv_1x1".
    const auto code = static_cast<std::uint8_t>(guess.code + (guess.convolution & (tail >> 41)));
    const Name& name = kNames[code];
    good &= load<std::uint32_t>(p) == name.head;
    good &= (tail & name.tail_mask) == name.tail;
    codes[e] = code;
    p += guess.length;
    good &= p[0] == '~';
    good &= p[1] == kSources[e];
    p += 2;
  }
  return good && end - p == 1 && *p == '|';
}

}  // namespace edgewise
