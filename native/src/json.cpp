#include "json.hpp"

#include <string>
#include <unordered_set>
#include <vector>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

using nlohmann::json;

// Real headers nest three deep and manifests a few levels more.
constexpr std::size_t kMaxDepth = 16;

// Reads once for what the parser lets pass: objects with a key twice, and deep nesting, before
// anything is built. (The parser's own callbacks take time that grows with the square of the keys.)
class Check final : public nlohmann::json_sax<json> {
 public:
  explicit Check(const std::string& subject) : subject_(&subject) {}

  bool null() override { return true; }
  bool boolean(bool) override { return true; }
  bool number_integer(number_integer_t) override { return true; }
  bool number_unsigned(number_unsigned_t) override { return true; }
  bool number_float(number_float_t, const string_t&) override { return true; }
  bool string(string_t&) override { return true; }
  bool binary(binary_t&) override { return true; }
  bool start_object(std::size_t) override { return open(); }
  bool end_object() override { return close(); }
  bool start_array(std::size_t) override { return open(); }
  bool end_array() override { return close(); }
  bool key(string_t& key) override {
    if (keys_.back().insert(key).second) return true;
    throw Error(ErrorKind::kBundle, *subject_ + " has '" + printable(key) + "' twice");
  }
  bool parse_error(std::size_t, const std::string&, const json::exception& error) override {
    fail(error);
  }

  [[noreturn]] void fail(const json::exception& error) const {
    // Which quotes the text from where the fault began to where it was seen.
    throw Error(ErrorKind::kBundle, *subject_ + " is not valid JSON: " + printable(error.what(), 200));
  }

 private:
  bool open() {
    if (keys_.size() > kMaxDepth) {
      throw Error(ErrorKind::kBundle, *subject_ + " is nested too deeply");
    }
    keys_.emplace_back();
    return true;
  }
  bool close() {
    keys_.pop_back();
    return true;
  }

  const std::string* subject_;
  std::vector<std::unordered_set<std::string>> keys_;  // of each object or list that is open
};

}  // namespace

json parse_object(std::string_view text, const char* what) {
  const std::string subject(what);
  Check check(subject);
  json value;
  try {
    (void)json::sax_parse(text.begin(), text.end(), &check);
    value = json::parse(text.begin(), text.end());
  } catch (const json::exception& error) {
    check.fail(error);
  }
  if (!value.is_object()) throw Error(ErrorKind::kBundle, subject + " is not a JSON object");
  return value;
}

std::string ascii_text(const json& value) {
  return value.dump(-1, ' ', true, json::error_handler_t::replace);
}

}  // namespace edgewise
