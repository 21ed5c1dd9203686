#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "hat/base/file.h"

namespace hat::config {

using Json = nlohmann::json;
using OrderedJson = nlohmann::ordered_json;

/// Parses with // comments allowed; an error names `origin`, line and column (kConfig).
Json parse_json(std::string_view text, const std::string& origin);
Json load_json(const fs::path& path);
void save_json(const fs::path& path, const OrderedJson& value);

/// Typed access that names the key and origin on error (kData): for files that hat itself wrote and
/// somebody may have changed.
int64_t get_int(const Json& object, const std::string& key, const std::string& origin);
double get_double(const Json& object, const std::string& key, const std::string& origin);
std::string get_string(const Json& object, const std::string& key, const std::string& origin);
const Json& get_member(const Json& object, const std::string& key, const std::string& origin);

}  // namespace hat::config
