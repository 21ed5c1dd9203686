#include "hat/config/json.h"

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::config {
namespace {

std::string line_and_column(std::string_view text, size_t byte) {
  byte = std::min(byte, text.size());
  const auto line = 1 + std::count(text.begin(), text.begin() + byte, '\n');
  const size_t start = text.rfind('\n', byte == 0 ? 0 : byte - 1);
  const size_t column = start == std::string_view::npos ? byte : byte - start;
  return str("line ", line, ", column ", std::max<size_t>(column, 1));
}

const Json* member(const Json& object, const std::string& key) {
  if (!object.is_object()) return nullptr;
  const auto it = object.find(key);
  return it == object.end() ? nullptr : &*it;
}

}  // namespace

Json parse_json(std::string_view text, const std::string& origin) {
  try {
    return Json::parse(text, nullptr, true, /*ignore_comments=*/true);
  } catch (const Json::parse_error& e) {
    fail(ErrorKind::kConfig,
         str(origin, ": not valid JSON at ", line_and_column(text, e.byte > 0 ? e.byte - 1 : 0)),
         "Look for a missing comma, quote or bracket just before that place.");
  }
}

Json load_json(const fs::path& path) {
  return parse_json(read_file(path, size_t{1} << 28), path.string());
}

void save_json(const fs::path& path, const OrderedJson& value) {
  write_file_atomic(path, value.dump(2) + "\n");
}

const Json& get_member(const Json& object, const std::string& key, const std::string& origin) {
  const Json* found = member(object, key);
  HAT_CHECK(found != nullptr, ErrorKind::kData, str(origin, ": '", key, "' is missing"),
            "The file is damaged or of another version; run the step that writes it again.");
  return *found;
}

int64_t get_int(const Json& object, const std::string& key, const std::string& origin) {
  const Json& value = get_member(object, key, origin);
  HAT_CHECK(value.is_number_integer(), ErrorKind::kData,
            str(origin, ": '", key, "' is not a whole number (", value.type_name(), ")"));
  if (value.is_number_unsigned()) {
    HAT_CHECK(value.get<uint64_t>() <= static_cast<uint64_t>(INT64_MAX), ErrorKind::kData,
              str(origin, ": '", key, "' is too large"));
  }
  return value.get<int64_t>();
}

double get_double(const Json& object, const std::string& key, const std::string& origin) {
  const Json& value = get_member(object, key, origin);
  HAT_CHECK(value.is_number() && std::isfinite(value.get<double>()), ErrorKind::kData,
            str(origin, ": '", key, "' is not a finite number"));
  return value.get<double>();
}

std::string get_string(const Json& object, const std::string& key, const std::string& origin) {
  const Json& value = get_member(object, key, origin);
  HAT_CHECK(value.is_string(), ErrorKind::kData,
            str(origin, ": '", key, "' is not a text (", value.type_name(), ")"));
  return value.get<std::string>();
}

}  // namespace hat::config
