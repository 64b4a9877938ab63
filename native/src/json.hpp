// Strict JSON: as nlohmann parses it, and besides no duplicate keys and no deep nesting.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

namespace edgewise {

// Throws Error(kBundle, "<what> ...") unless `text` is one JSON object.
nlohmann::json parse_object(std::string_view text, const char* what);

// The value as text, all of it ASCII. Bytes that are no UTF-8 (of a path, say) become U+FFFD.
std::string ascii_text(const nlohmann::json& value);

}  // namespace edgewise
