#pragma once

#include <string>
#include <vector>

namespace hat::cli {

/// Rows of text as columns: the first to the left, the others to the right, two blanks between. The
/// first row is the heading.
std::string table(const std::vector<std::vector<std::string>>& rows);

}  // namespace hat::cli
