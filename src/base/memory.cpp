#include "hat/base/memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace hat {
namespace {

// The number behind "KEY:" in a file of the form of /proc/meminfo, in bytes.
std::optional<int64_t> kilobytes(const char* path, const std::string& key) {
  std::ifstream in(path);
  std::string word;
  while (in >> word) {
    int64_t value = 0;
    if (word == key && in >> value) return value * 1024;
  }
  return std::nullopt;
}

std::optional<int64_t> number(const char* path) {
  std::ifstream in(path);
  int64_t value = 0;
  if (in >> value) return value;
  return std::nullopt;  // no such file, or "max"
}

}  // namespace

std::optional<int64_t> available_memory() {
  std::optional<int64_t> least = kilobytes("/proc/meminfo", "MemAvailable:");
  constexpr const char* kGroups[][2] = {
      {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes",
       "/sys/fs/cgroup/memory/memory.usage_in_bytes"}};
  for (const auto& [limit_file, used_file] : kGroups) {
    const auto limit = number(limit_file);
    const auto used = number(used_file);
    if (!limit || !used) continue;
    const int64_t left = std::max<int64_t>(0, *limit - *used);
    least = std::min(least.value_or(left), left);
  }
  return least;
}

std::optional<int64_t> data_memory() { return kilobytes("/proc/self/status", "VmData:"); }

}  // namespace hat
