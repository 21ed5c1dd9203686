#include "original_yaml.h"

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::arch {
namespace {

std::string_view without_comment(std::string_view line) {
  // A comment starts the line or follows a space, so that values such as "a#b" stay whole.
  for (size_t i = 0; i < line.size(); ++i) {
    const bool starts = i == 0 || line[i - 1] == ' ' || line[i - 1] == '\t';
    if (line[i] == '#' && starts) return line.substr(0, i);
  }
  return line;
}

config::Json scalar(std::string_view text) {
  int64_t integer = 0;
  double number = 0;
  if (parse_int(text, &integer)) return integer;
  if (parse_double(text, &number)) return number;
  const std::string lower = to_lower_ascii(text);
  if (lower == "true" || lower == "yes") return true;
  if (lower == "false" || lower == "no") return false;
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front()) {
    text = text.substr(1, text.size() - 2);
  }
  return std::string(text);
}

}  // namespace

bool is_original_yaml(const fs::path& path) {
  return path.extension() == ".yml" || path.extension() == ".yaml";
}

config::Json parse_original_yaml(std::string_view text, const std::string& origin) {
  config::Json result = config::Json::object();
  int number = 0;
  for (const std::string& raw : split(text, '\n')) {
    ++number;
    const std::string_view line = trim(without_comment(trim(raw)));
    if (line.empty() || line == "---") continue;
    const size_t separator = line.find_first_of(":=");
    HAT_CHECK(separator != std::string_view::npos && separator > 0, ErrorKind::kConfig,
              str(origin, ", line ", number, ": expected 'key: value'"));
    const std::string key(trim(line.substr(0, separator)));
    const std::string_view value = trim(line.substr(separator + 1));
    HAT_CHECK(!result.contains(key), ErrorKind::kConfig,
              str(origin, ", line ", number, ": '", key, "' is given twice"));
    if (value.starts_with('[')) {
      HAT_CHECK(value.ends_with(']'), ErrorKind::kConfig,
                str(origin, ", line ", number, ": the list of '", key, "' is not closed"));
      config::Json list = config::Json::array();
      const std::string_view inside = trim(value.substr(1, value.size() - 2));
      if (!inside.empty()) {
        for (const std::string& part : split(inside, ',')) list.push_back(scalar(trim(part)));
      }
      result[key] = std::move(list);
    } else {
      result[key] = scalar(value);
    }
  }
  return result;
}

}  // namespace hat::arch
