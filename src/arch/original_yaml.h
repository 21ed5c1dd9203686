#pragma once

#include <string>
#include <string_view>

#include "hat/config/json.h"

namespace hat::arch {

/// The flat "key: value" files of the original (configargparse's form: also "key = value", #
/// comments, lists in brackets, True and False). Keys come back as written, numbers and lists of
/// whole numbers typed, everything else as text. Throws kConfig naming the line.
config::Json parse_original_yaml(std::string_view text, const std::string& origin);

/// True for a file name that should be read in this form.
bool is_original_yaml(const fs::path& path);

}  // namespace hat::arch
