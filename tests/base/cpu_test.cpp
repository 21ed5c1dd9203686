#include "hat/base/cpu.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>

#include <fstream>

#include "hat/base/strings.h"

namespace hat {
namespace {

// What the kernel says it lets programs use: "flags" on x86, "Features" on ARM.
std::string kernel_flags() {
  std::ifstream cpuinfo("/proc/cpuinfo");
  std::string line;
  while (std::getline(cpuinfo, line)) {
    if (line.starts_with("flags") || line.starts_with("Features")) {
      return " " + line.substr(line.find(':') + 1) + " ";
    }
  }
  return "";
}

TEST(Cpu, AgreesWithTheKernel) {
  const std::string flags = kernel_flags();
  if (flags.empty()) GTEST_SKIP() << "/proc/cpuinfo lists no features here";
  const auto has = [&](const char* name) {
    return flags.find(str(" ", name, " ")) != std::string::npos;
  };
  const CpuInfo& cpu = cpu_info();
  EXPECT_EQ(cpu.avx2, has("avx2") && has("fma"));
  EXPECT_EQ(cpu.avx512, has("avx512f") && has("avx512bw") && has("avx512dq") && has("avx512vl"));
  EXPECT_EQ(cpu.avx512_vnni, cpu.avx512 && has("avx512_vnni"));
  EXPECT_EQ(cpu.avx512_bf16, cpu.avx512 && has("avx512_bf16"));
  EXPECT_EQ(cpu.avx_vnni, cpu.avx2 && has("avx_vnni"));
  EXPECT_EQ(cpu.neon, has("asimd"));
  EXPECT_EQ(cpu.neon_dotprod, has("asimddp"));
  EXPECT_EQ(cpu.neon_i8mm, has("i8mm"));
}

TEST(Cpu, CountsTheCoresThatAffinityLeaves) {
  cpu_set_t before;
  CPU_ZERO(&before);
  ASSERT_EQ(sched_getaffinity(0, sizeof(before), &before), 0);
  EXPECT_EQ(cpu_info().logical_cores, CPU_COUNT(&before));
}

TEST(Cpu, FeaturesNameWhatIsPresent) {
  CpuInfo info;
  EXPECT_EQ(info.features(), "");
  info.avx2 = true;
  info.avx512 = true;
  info.avx512_vnni = true;
  EXPECT_EQ(info.features(), "avx2 avx512 avx512_vnni");
  EXPECT_FALSE(cpu_info().model.empty());
  EXPECT_THAT(cpu_info().architecture, ::testing::AnyOf("x86-64", "aarch64", "unknown"));
}

}  // namespace
}  // namespace hat
