#pragma once

#include <filesystem>

namespace hat {

/// The shipped configs folder (spaces, devices): beside the running program where hat is installed
/// or copied, the source tree's for a build. Empty where there is none.
std::filesystem::path configs_directory();

}  // namespace hat
