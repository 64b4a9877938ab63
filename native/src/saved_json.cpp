#include "saved_json.hpp"

#include <cstring>

#include "edgewise/error.hpp"

namespace edgewise {

using nlohmann::json;

SavedManifest::SavedManifest(const Bundle& bundle, const char* what)
    : bundle_(&bundle), what_(what), manifest_(parse_object(bundle.manifest(), "the manifest")) {}

void SavedManifest::fail(const std::string& cause) const {
  throw Error(ErrorKind::kProfile, bundle_->label() + ": the " + what_ + " is incomplete (" +
                                       cause + "): make it again");
}

const json& SavedManifest::member(const char* key) const {
  const auto found = manifest_.find(key);
  if (found == manifest_.end()) fail(std::string("its manifest has no '") + key + "'");
  return *found;
}

std::string SavedManifest::text(const char* key) const {
  const json& value = member(key);
  if (!value.is_string()) fail(std::string("'") + key + "' is no string");
  return value.get<std::string>();
}

std::vector<std::string> SavedManifest::texts(const char* key) const {
  const json& list = member(key);
  if (!list.is_array()) fail(std::string("'") + key + "' is no list");
  std::vector<std::string> values;
  for (const json& value : list) {
    if (!value.is_string()) fail(std::string("'") + key + "' holds what is no string");
    values.push_back(value.get<std::string>());
  }
  return values;
}

std::string SavedManifest::object(const char* key) const {
  const json& value = member(key);
  if (!value.is_object()) fail(std::string("'") + key + "' is no object");
  return value.dump();
}

BundleReference SavedManifest::reference(const char* key) const {
  const json& value = member(key);
  const auto field = [&](const char* name) {
    const auto found = value.is_object() ? value.find(name) : value.end();
    if (found == value.end() || !found->is_string()) {
      fail(std::string("'") + key + "' has no '" + name + "'");
    }
    return found->get<std::string>();
  };
  return {field("name"), field("path"), field("fingerprint")};
}

const Tensor& SavedManifest::tensor(const char* name, DType dtype,
                                    const std::vector<std::size_t>& shape) const {
  if (!bundle_->contains(name)) fail(std::string("it has no tensor '") + name + "'");
  const Tensor& found = bundle_->tensor(name);
  if (found.dtype != dtype || found.shape != shape) {
    fail(std::string("tensor '") + name + "' is of another type or shape");
  }
  return found;
}

std::vector<double> SavedManifest::doubles(const char* name,
                                           const std::vector<std::size_t>& shape) const {
  const Tensor& found = tensor(name, DType::kF64, shape);
  std::vector<double> values(found.elements());
  if (!values.empty()) std::memcpy(values.data(), found.data, found.bytes);
  return values;
}

std::vector<std::int64_t> SavedManifest::integers(const char* name,
                                                  const std::vector<std::size_t>& shape) const {
  const Tensor& found = tensor(name, DType::kI64, shape);
  std::vector<std::int64_t> values(found.elements());
  if (!values.empty()) std::memcpy(values.data(), found.data, found.bytes);
  return values;
}

json json_of(const BundleReference& reference) {
  return {{"name", reference.name},
          {"path", reference.path},
          {"fingerprint", reference.fingerprint}};
}

}  // namespace edgewise
