#include "hat/model/compute.h"

#include <ATen/Parallel.h>
#include <malloc.h>

#include <cstdlib>

#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"

namespace hat::model {

std::string compute_name(Compute compute) { return compute == Compute::kBf16 ? "bf16" : "fp32"; }

Compute resolve_compute(const std::string& setting, bool cuda) {
  std::string wanted = setting;
  const char* forced = std::getenv("HAT_COMPUTE");
  if (wanted == "auto" && forced != nullptr && *forced != '\0') wanted = forced;
  const bool hardware = cuda || cpu_info().avx512_bf16 || cpu_info().amx_bf16;
  if (wanted == "auto") return hardware ? Compute::kBf16 : Compute::kFp32;
  if (wanted == "fp32") return Compute::kFp32;
  if (wanted == "bf16") {
    if (!hardware)
      log_warning("model", "this processor has no bf16 arithmetic: it is emulated, and very slow");
    return Compute::kBf16;
  }
  fail(ErrorKind::kUsage, str("'", wanted, "' is not a way to compute"),
       "Choose auto, fp32 or bf16.");
}

void configure_process(int threads) {
  const int wanted = threads > 0 ? threads : cpu_info().logical_cores;
  at::set_num_threads(wanted);
#if defined(__GLIBC__)
  // Activations are tens of megabytes each: by default every one of them is mapped, zeroed page by
  // page and unmapped again at each step.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, 1 << 30);
  mallopt(M_TOP_PAD, 64 << 20);
#endif
}

}  // namespace hat::model
