#include "hat/base/memory.h"

#include <algorithm>
#include <fstream>
#include <string>

namespace hat {
namespace {

// The number behind a word in a file of the form of /proc/meminfo.
std::optional<int64_t> number_behind(const char* path, const std::string& key) {
  std::ifstream in(path);
  std::string word;
  while (in >> word) {
    int64_t value = 0;
    if (word == key && in >> value) return value;
  }
  return std::nullopt;
}

std::optional<int64_t> kilobytes(const char* path, const std::string& key) {
  const auto value = number_behind(path, key);
  return value ? std::optional(*value * 1024) : std::nullopt;
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
  constexpr struct {
    const char *limit, *used, *details, *cache;
  } kGroups[] = {
      {"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current", "/sys/fs/cgroup/memory.stat",
       "inactive_file"},
      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "/sys/fs/cgroup/memory/memory.usage_in_bytes",
       "/sys/fs/cgroup/memory/memory.stat", "total_inactive_file"}};
  for (const auto& group : kGroups) {
    const auto limit = number(group.limit);
    const auto used = number(group.used);
    if (!limit || !used) continue;
    // Files that have been read count as used, and make room where it is needed.
    const int64_t cache = number_behind(group.details, group.cache).value_or(0);
    const int64_t left = std::max<int64_t>(0, *limit - *used + cache);
    least = std::min(least.value_or(left), left);
  }
  return least;
}

std::optional<int64_t> data_memory() { return kilobytes("/proc/self/status", "VmData:"); }

}  // namespace hat
