#include "hat/base/cpu.h"

#include <sched.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <thread>
#include <utility>

#include "hat/base/strings.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif

namespace hat {

namespace {

int usable_cores() {
  // The kernel refuses a mask smaller than its own, so a machine with more than 1024 possible
  // processors needs a larger one.
  for (int processors = 1024; processors <= 1024 * 1024; processors *= 4) {
    cpu_set_t* mask = CPU_ALLOC(processors);
    if (mask == nullptr) break;
    const size_t size = CPU_ALLOC_SIZE(processors);
    CPU_ZERO_S(size, mask);
    const bool known = sched_getaffinity(0, size, mask) == 0;
    const int count = known ? CPU_COUNT_S(size, mask) : 0;
    CPU_FREE(mask);
    if (count > 0) return count;
  }
  return std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
}

#if defined(__x86_64__)

bool bit(uint32_t word, int index) { return ((word >> index) & 1) != 0; }

// The register states that the operating system saves and restores. What it does not save must not
// be used, whatever the processor has.
uint32_t enabled_states() {
  uint32_t low = 0;
  uint32_t high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return low;
}

std::string brand_string() {
  std::array<uint32_t, 12> words{};
  for (uint32_t leaf = 0; leaf < 3; ++leaf) {
    uint32_t* out = &words[size_t{4} * leaf];
    if (__get_cpuid(0x80000002 + leaf, out, out + 1, out + 2, out + 3) == 0) return "unknown";
  }
  std::array<char, sizeof(words) + 1> text{};
  std::memcpy(text.data(), words.data(), sizeof(words));
  return std::string(trim(text.data()));
}

void ask_processor(CpuInfo& info) {
  info.architecture = "x86-64";
  info.model = brand_string();

  uint32_t a = 0;
  uint32_t b = 0;
  uint32_t c = 0;
  uint32_t d = 0;
  if (__get_cpuid(1, &a, &b, &c, &d) == 0) return;
  constexpr int kFma = 12;
  constexpr int kOsxsave = 27;
  const bool fma = bit(c, kFma);
  if (!bit(c, kOsxsave)) return;
  const uint32_t states = enabled_states();
  constexpr uint32_t kAvxStates = 0x6;            // XMM, YMM
  constexpr uint32_t kAvx512States = 0xE0 | 0x6;  // opmask, upper ZMM, upper 16 registers
  constexpr uint32_t kAmxStates = (1 << 17) | (1 << 18);
  const bool avx_enabled = (states & kAvxStates) == kAvxStates;
  const bool avx512_enabled = (states & kAvx512States) == kAvx512States;
  const bool amx_enabled = (states & kAmxStates) == kAmxStates;

  if (__get_cpuid_count(7, 0, &a, &b, &c, &d) == 0) return;
  const uint32_t subleaves = a;
  info.avx2 = avx_enabled && fma && bit(b, 5);
  info.avx512 = avx512_enabled && bit(b, 16) && bit(b, 17) && bit(b, 30) && bit(b, 31);
  info.avx512_vnni = info.avx512 && bit(c, 11);
  info.amx_bf16 = amx_enabled && bit(d, 24) && bit(d, 22);
  if (subleaves < 1 || __get_cpuid_count(7, 1, &a, &b, &c, &d) == 0) return;
  info.avx_vnni = info.avx2 && bit(a, 4);
  info.avx512_bf16 = info.avx512 && bit(a, 5);
}

#elif defined(__aarch64__)

// Boards name themselves in the device tree, servers in /proc/cpuinfo (where a "model name" is rare
// on this architecture).
std::string board_or_processor_name() {
  std::ifstream tree("/proc/device-tree/model");
  std::string name;
  std::getline(tree, name, '\0');
  if (!trim(name).empty()) return std::string(trim(name));

  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string line;
  std::string implementer;
  std::string part;
  while (std::getline(cpuinfo, line)) {
    const size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string_view key = trim(std::string_view(line).substr(0, colon));
    const std::string_view value = trim(std::string_view(line).substr(colon + 1));
    if (key == "model name" || key == "Hardware") return std::string(value);
    if (key == "CPU implementer") implementer = value;
    if (key == "CPU part") part = value;
  }
  if (part.empty()) return "unknown";
  return str("implementer ", implementer, " part ", part);
}

void ask_processor(CpuInfo& info) {
  info.architecture = "aarch64";
  info.model = board_or_processor_name();
  // The kernel's bits (arch/arm64/include/uapi/asm/hwcap.h), spelled out because older headers lack
  // the later ones.
  constexpr unsigned long kAsimd = 1UL << 1;
  constexpr unsigned long kDotProduct = 1UL << 20;
  constexpr unsigned long kInt8Matrix = 1UL << 13;  // in the second word
  info.neon = (getauxval(AT_HWCAP) & kAsimd) != 0;
  info.neon_dotprod = info.neon && (getauxval(AT_HWCAP) & kDotProduct) != 0;
  info.neon_i8mm = info.neon && (getauxval(AT_HWCAP2) & kInt8Matrix) != 0;
}

#else

void ask_processor(CpuInfo& info) {
  info.architecture = "unknown";
  info.model = "unknown";
}

#endif

CpuInfo detect() {
  CpuInfo info;
  info.logical_cores = usable_cores();
  ask_processor(info);
  return info;
}

}  // namespace

std::string CpuInfo::features() const {
  const std::pair<bool, const char*> all[] = {
      {avx2, "avx2"},
      {avx_vnni, "avx_vnni"},
      {avx512, "avx512"},
      {avx512_vnni, "avx512_vnni"},
      {avx512_bf16, "avx512_bf16"},
      {amx_bf16, "amx_bf16"},
      {neon, "neon"},
      {neon_dotprod, "neon_dotprod"},
      {neon_i8mm, "neon_i8mm"},
  };
  std::vector<std::string> present;
  for (const auto& [has, name] : all) {
    if (has) present.emplace_back(name);
  }
  return join(present, " ");
}

const CpuInfo& cpu_info() {
  static const CpuInfo kInfo = detect();
  return kInfo;
}

}  // namespace hat
