#include "json.hpp"

#include <string>
#include <unordered_set>
#include <vector>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

using nlohmann::json;

// Real headers nest three deep and manifests a few levels more.
constexpr int kMaxDepth = 16;

}  // namespace

json parse_object(std::string_view text, const char* what) {
  const std::string subject(what);
  std::vector<std::unordered_set<std::string>> keys;  // of each object that is open
  const auto check = [&](int depth, json::parse_event_t event, json& parsed) {
    if (depth > kMaxDepth) {
      throw Error(ErrorKind::kBundle, subject + " is nested too deeply");
    }
    if (event == json::parse_event_t::object_start) {
      keys.emplace_back();
    } else if (event == json::parse_event_t::object_end) {
      keys.pop_back();
    } else if (event == json::parse_event_t::key) {
      const auto& key = parsed.get_ref<const std::string&>();
      if (!keys.back().insert(key).second) {
        throw Error(ErrorKind::kBundle, subject + " has '" + printable(key) + "' twice");
      }
    }
    return true;
  };
  json value;
  try {
    value = json::parse(text.begin(), text.end(), check);
  } catch (const json::exception& error) {
    throw Error(ErrorKind::kBundle, subject + " is not valid JSON: " + error.what());
  }
  if (!value.is_object()) throw Error(ErrorKind::kBundle, subject + " is not a JSON object");
  return value;
}

std::string ascii_text(const json& value) {
  return value.dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace edgewise
