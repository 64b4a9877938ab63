// What profiles and classifier files have in common: JSON values out of the manifest, and how a
// bundle is named in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "edgewise/bundle_reference.hpp"
#include "json.hpp"

namespace edgewise {

// Members of the manifest; Error(kProfile) when they are missing or of another type.
class SavedManifest {
 public:
  // `what` is said of the file in messages: "profile".
  SavedManifest(const Bundle& bundle, const char* what);

  std::string text(const char* key) const;
  std::vector<std::string> texts(const char* key) const;
  BundleReference reference(const char* key) const;
  std::string object(const char* key) const;  // as JSON text

  // The numbers of an F64 or I64 tensor of that shape.
  std::vector<double> doubles(const char* tensor, const std::vector<std::size_t>& shape) const;
  std::vector<std::int64_t> integers(const char* tensor,
                                     const std::vector<std::size_t>& shape) const;

  [[noreturn]] void fail(const std::string& cause) const;

 private:
  const nlohmann::json& member(const char* key) const;
  const Tensor& tensor(const char* name, DType dtype, const std::vector<std::size_t>& shape) const;

  const Bundle* bundle_;
  const char* what_;
  nlohmann::json manifest_;
};

nlohmann::json json_of(const BundleReference& reference);

}  // namespace edgewise
