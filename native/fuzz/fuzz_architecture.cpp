// Architecture strings of every space: the first byte chooses the space, the rest is the text.
#include <cmath>
#include <cstring>
#include <vector>

#include "edgewise/features.hpp"
#include "edgewise/memory.hpp"
#include "edgewise/network_latency.hpp"
#include "edgewise/space.hpp"
#include "expect.hpp"

namespace {

using edgewise::ErrorKind;
using edgewise::Space;
using edgewise::fuzz::allowed;

void use(const Space& space, const std::vector<std::uint8_t>& codes) {
  EXPECT(space.fault(codes.data()) == space.code_length());
  const std::string text = space.decode(codes.data());
  std::vector<std::uint8_t> again(codes.size());
  EXPECT(space.try_encode(text.data(), text.size(), again.data()));
  EXPECT(again == codes && space.decode(again.data()) == text);
  (void)space.connected(codes.data());
  for (const std::string& semantics : space.semantics()) {
    const edgewise::KernelGraph graph = space.lower(codes.data(), semantics);
    const double flops = space.flops(codes.data(), semantics);
    EXPECT(std::isfinite(flops) && flops >= 0.0);
    edgewise::memory(graph);
    edgewise::FeatureRow row;
    edgewise::network_features(graph, row);
  }
}

// Codes that are any bytes: an architecture, or a fault that can be told.
void use_codes(const Space& space, const std::uint8_t* data, std::size_t size) {
  std::vector<std::uint8_t> codes(space.code_length());
  std::memcpy(codes.data(), data, std::min(size, codes.size()));
  const std::size_t at = space.fault(codes.data());
  EXPECT(at <= codes.size());
  if (at != codes.size()) {
    EXPECT(!space.why(codes.data(), at).empty());
    EXPECT(!allowed({ErrorKind::kArgument, ErrorKind::kArchitecture},
                    [&] { space.check(codes.data()); }));
    return;
  }
  space.canonical(codes.data());
  use(space, codes);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::vector<std::string> names = edgewise::space_names();
  if (size == 0) return 0;
  const Space& space = edgewise::get_space(names[data[0] % names.size()]);
  const std::vector<char> exact(data + 1, data + size);  // so that a read past the end is seen
  const std::string_view text(exact.data(), exact.size());
  std::vector<std::uint8_t> codes(space.code_length());
  if (space.try_encode(text.data(), text.size(), codes.data())) {
    use(space, codes);
  } else {
    EXPECT(!allowed({ErrorKind::kArchitecture}, [&] { space.explain(text); }));
  }
  use_codes(space, data + 1, size - 1);
  return 0;
}
