#pragma once

#include <string>
#include <vector>

namespace hat {

/// What the processor that runs this program has. Asked once, by CPUID or the kernel's hwcap.
struct CpuInfo {
  std::string architecture;  ///< "x86-64" or "aarch64"
  std::string model;         ///< the name that the system gives it
  int logical_cores = 1;     ///< as many as this process may use (affinity respected)
  bool avx2 = false;         ///< with FMA
  bool avx512 = false;       ///< F, BW, DQ and VL
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
  bool avx_vnni = false;
  bool amx_bf16 = false;
  bool neon = false;
  bool neon_dotprod = false;
  bool neon_i8mm = false;

  /// Multiplies bf16 in hardware; emulated, it is tens of times slower.
  bool computes_bf16() const { return avx512_bf16 || amx_bf16; }
  /// The features present, as a user reads them: "avx2 avx512 avx512_vnni".
  std::string features() const;
};
const CpuInfo& cpu_info();

}  // namespace hat
