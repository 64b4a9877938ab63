// Profiles: what is read is whole, can be written, and is then read as the same.
#include "edgewise/profile.hpp"
#include "forge.hpp"

namespace {

using edgewise::Bundle;
using edgewise::ErrorKind;
using edgewise::Profile;

std::shared_ptr<const Bundle> reopened(const std::string& bytes) {
  return Bundle::from_bytes(bytes.data(), bytes.size(), "again");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const auto bundle =
      edgewise::fuzz::forged("profile", {reinterpret_cast<const char*>(data), size});
  if (bundle == nullptr) return 0;
  edgewise::fuzz::allowed({ErrorKind::kBundle, ErrorKind::kProfile}, [&] {
    Profile profile = edgewise::read_profile(*bundle);
    const std::string bytes = edgewise::profile_bytes(profile);
    const Profile again = edgewise::read_profile(*reopened(bytes));
    EXPECT(edgewise::profile_bytes(again) == bytes);
    const std::size_t before = profile.timings.size();
    profile.replace({"new", 1.0, 0.0, 1, 1.0});
    EXPECT(profile.timings.back().name == "new" && profile.timings.size() <= before + 1);
  });
  return 0;
}
