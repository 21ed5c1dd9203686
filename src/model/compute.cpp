#include "hat/model/compute.h"

#include <ATen/Parallel.h>
#include <malloc.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstdlib>

#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/memory.h"
#include "hat/base/strings.h"
#include "model/tensor_memory.h"

namespace hat::model {

std::string compute_name(Compute compute) { return compute == Compute::kBf16 ? "bf16" : "fp32"; }

Compute resolve_compute(const std::string& setting, bool cuda) {
  std::string wanted = setting;
  const char* forced = std::getenv("HAT_COMPUTE");
  if (wanted == "auto" && forced != nullptr && *forced != '\0') wanted = forced;
  const bool hardware = cuda || cpu_info().computes_bf16();
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

WeightRounding parse_rounding(const std::string& name) {
  if (name == "none") return WeightRounding::kNone;
  if (name == "int8") return WeightRounding::kInt8;
  if (name == "int4") return WeightRounding::kInt4;
  fail(ErrorKind::kUsage, str("'", name, "' is not a way to round weights"),
       "Choose none, int8 or int4.");
}

namespace {

void limit_memory() {
  const auto available = available_memory();
  const auto used = data_memory();
  rlimit limit{};
  if (!available || !used || getrlimit(RLIMIT_DATA, &limit) != 0) return;
  const auto wanted = static_cast<rlim_t>(*used + *available);
  if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur <= wanted) return;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY ? wanted : std::min(wanted, limit.rlim_max);
  setrlimit(RLIMIT_DATA, &limit);
}

}  // namespace

void configure_process(int threads) {
  const int wanted = threads > 0 ? threads : cpu_info().logical_cores;
  at::set_num_threads(wanted);
  install_tensor_memory();
#if defined(__GLIBC__)
  // What else is large, as oneDNN's copies of operands, is by default mapped, zeroed page by page
  // and unmapped again at each step.
  mallopt(M_MMAP_MAX, 0);
  mallopt(M_TRIM_THRESHOLD, -1);  // never
  mallopt(M_TOP_PAD, 64 << 20);
#endif
  limit_memory();
}

bool release_idle_memory() {
  bool any = release_idle_tensor_memory() > 0;
#if defined(__GLIBC__)
  any = malloc_trim(0) != 0 || any;
#endif
  return any;
}

}  // namespace hat::model
