// Strict JSON: as nlohmann parses it, and besides no duplicate keys and no deep nesting.
#pragma once

#include <nlohmann/json.hpp>
#include <string_view>

namespace edgewise {

// Throws Error(kBundle, "<what> ...") unless `text` is one JSON object.
nlohmann::json parse_object(std::string_view text, const char* what);

}  // namespace edgewise
