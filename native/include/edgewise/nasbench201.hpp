// NAS-Bench-201 (Dong and Yang, arXiv 2001.00326): a cell of four nodes whose six edges each hold
// one of five operations, repeated in a fixed network.
//
// Edges in code order: 1<-0, 2<-0, 2<-1, 3<-0, 3<-1, 3<-2. Bit e of a mask stands for edge e.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "edgewise/nasbench201_parse.hpp"
#include "edgewise/space.hpp"

namespace edgewise {
namespace nasbench201 {

inline constexpr int kEdges = 6;
inline constexpr int kOps = 5;
inline constexpr int kNodes = 4;
inline constexpr int kStages = 3;
inline constexpr int kCellsPerStage = 5;
inline constexpr std::size_t kSize = 15625;  // kOps ^ kEdges

// Operations by code.
enum Op : std::uint8_t { kNone, kSkipConnect, kConv1x1, kConv3x3, kAvgPool3x3 };
inline constexpr std::array<const char*, kOps> kOpNames = {
    "none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3"};

inline constexpr std::array<std::uint8_t, kEdges> kSource = {0, 0, 1, 0, 1, 2};
inline constexpr std::array<std::uint8_t, kEdges> kTarget = {1, 2, 2, 3, 3, 3};

// What a runtime executes of a cell.
enum class Semantics : std::uint8_t {
  kAll,        // every operation, `none` as x * 0
  kReachable,  // without operations that have no path to the output; `none` breaks a path
  kLive,       // and without those fed only zeros
};

// Edges of `present` (those that are not `none`) on a way from their end to the output node.
constexpr std::uint8_t reachable_edges(std::uint8_t present) {
  std::array<bool, kNodes> reaches{};
  reaches[kNodes - 1] = true;
  std::uint8_t kept = 0;
  // By decreasing target: all edges out of a node are seen before those into it.
  for (int e = kEdges - 1; e >= 0; --e) {
    if (((present >> e) & 1) == 0 || !reaches[kTarget[e]]) continue;
    reaches[kSource[e]] = true;
    kept = static_cast<std::uint8_t>(kept | (1 << e));
  }
  return kept;
}

// Of those, the edges that also carry something of the input node.
constexpr std::uint8_t live_edges(std::uint8_t present) {
  const std::uint8_t useful = reachable_edges(present);
  std::array<bool, kNodes> fed{};
  fed[0] = true;
  std::uint8_t kept = 0;
  // By increasing target: all edges into a node are seen before those out of it.
  for (int e = 0; e < kEdges; ++e) {
    if (((present >> e) & 1) == 0 || !fed[kSource[e]]) continue;
    fed[kTarget[e]] = true;
    kept = static_cast<std::uint8_t>(kept | (1 << e));
  }
  return static_cast<std::uint8_t>(kept & useful);
}

namespace detail {

template <std::uint8_t (*Mask)(std::uint8_t)>
constexpr std::array<std::uint8_t, 64> mask_table() {
  std::array<std::uint8_t, 64> table{};
  for (int present = 0; present < 64; ++present) {
    table[present] = Mask(static_cast<std::uint8_t>(present));
  }
  return table;
}

inline constexpr auto kReachableTable = mask_table<reachable_edges>();
inline constexpr auto kLiveTable = mask_table<live_edges>();

}  // namespace detail

// Edges that are not `none`.
inline std::uint8_t present_edges(const std::uint8_t* codes) noexcept {
  std::uint32_t mask = 0;
  for (int e = 0; e < kEdges; ++e) mask |= static_cast<std::uint32_t>(codes[e] != kNone) << e;
  return static_cast<std::uint8_t>(mask);
}

// Edges whose operation runs. Under kAll every edge is kept, `none` too.
inline std::uint8_t kept_edges(const std::uint8_t* codes, Semantics semantics) noexcept {
  if (semantics == Semantics::kAll) return (1u << kEdges) - 1;
  const std::uint8_t present = present_edges(codes);
  return semantics == Semantics::kLive ? detail::kLiveTable[present]
                                       : detail::kReachableTable[present];
}

// Is there a way from input to output? Without one the network's answer is a constant.
inline bool has_path(const std::uint8_t* codes) noexcept {
  return kept_edges(codes, Semantics::kLive) != 0;
}

}  // namespace nasbench201

class NasBench201 final : public Space {
 public:
  const char* name() const noexcept override { return "nasbench201"; }
  std::size_t size() const noexcept override { return nasbench201::kSize; }
  std::size_t code_length() const noexcept override { return nasbench201::kEdges; }
  bool try_encode(const char* text, std::size_t length,
                  std::uint8_t* codes) const noexcept override {
    return parse_nasbench201(text, length, codes);
  }
  [[noreturn]] void explain(std::string_view text) const override;
  std::string decode(const std::uint8_t* codes) const override;
  std::vector<std::vector<std::uint8_t>> choices() const override {
    return std::vector<std::vector<std::uint8_t>>(nasbench201::kEdges, {0, 1, 2, 3, 4});
  }
  std::size_t fault(const std::uint8_t* codes) const noexcept override;
  void codes_of(std::size_t index, std::uint8_t* codes) const noexcept override;
  bool connected(const std::uint8_t* codes) const noexcept override {
    return nasbench201::has_path(codes);
  }
  std::vector<std::string> semantics() const override;
  KernelGraph lower(const std::uint8_t* codes, std::string_view semantics) const override;
};

}  // namespace edgewise
