#pragma once

#include <cstdlib>
#include <filesystem>
#include <string>

namespace hat::testing {

/// The folder with the data and golden numbers that are not part of the project: HAT_SHARED_DIR, or
/// ../shared beside the source tree. May not exist; tests that need it then skip.
inline std::filesystem::path shared_dir() {
  if (const char* dir = std::getenv("HAT_SHARED_DIR")) return dir;
  return std::filesystem::path(HAT_SOURCE_DIR) / ".." / "shared";
}
/// Golden numbers of the original: HAT_PARITY_DIR, or shared_dir()/parity.
inline std::filesystem::path parity_dir() {
  if (const char* dir = std::getenv("HAT_PARITY_DIR")) return dir;
  return shared_dir() / "parity";
}

}  // namespace hat::testing
