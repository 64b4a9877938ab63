#include "edgewise/bundle_reference.hpp"

#include <filesystem>
#include <system_error>

#include "edgewise/error.hpp"
#include "edgewise/sha256.hpp"
#include "json.hpp"
#include "saved_json.hpp"

namespace edgewise {
namespace {

using nlohmann::json;

// As Python's json.dumps(hashes, sort_keys=True) writes it, so that both see one digest.
std::string hashes_text(const json& hashes) {
  std::string text = "{";
  for (const auto& [name, hash] : hashes.items()) {
    if (text.size() > 1) text += ", ";
    text += ascii_text(name) + ": " + ascii_text(hash);
  }
  return text + "}";
}

}  // namespace

std::string fingerprint(const Bundle& bundle) {
  constexpr std::size_t kDigits = 16;
  const json manifest = parse_object(bundle.manifest(), "the manifest");
  const std::string text = hashes_text(manifest.at("sha256"));
  return sha256_hex(text.data(), text.size()).substr(0, kDigits);
}

BundleReference refer_to(const Bundle& bundle) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const bool file = fs::is_regular_file(bundle.label(), ignored);
  return {bundle.name(), file ? fs::weakly_canonical(bundle.label(), ignored).string() : "",
          fingerprint(bundle)};
}

std::shared_ptr<const Bundle> resolve(const BundleReference& reference,
                                      std::shared_ptr<const Bundle> given, const char* kind,
                                      const std::string& file) {
  if (!given && reference.path.empty()) {
    throw Error(ErrorKind::kBundle, file + ": was made with the bundle '" +
                                        printable(reference.name) +
                                        "', and does not say where that is: pass it");
  }
  const std::shared_ptr<const Bundle> bundle = given ? given : Bundle::open(reference.path);
  if (bundle->kind() != kind) {
    throw Error(ErrorKind::kBundle, bundle->label() + ": a bundle of kind '" +
                                        printable(bundle->kind()) + "', but '" + kind +
                                        "' is needed");
  }
  const std::string found = fingerprint(*bundle);
  if (found != reference.fingerprint) {
    throw Error(ErrorKind::kProfile,
                file + ": was made with another bundle '" + printable(reference.name) + "' (" +
                    printable(reference.fingerprint) + ") than " + bundle->label() + " (" + found +
                    "): pass that one, or make the file again");
  }
  return bundle;
}

}  // namespace edgewise
