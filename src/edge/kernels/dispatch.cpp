#include <cstdlib>
#include <string>

#include "edge/kernels/kernels.h"
#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::edge {

namespace {

struct Entry {
  Isa isa;
  const char* name;
  const Kernels* table;  // null: not of this architecture
};

// Worst first: the last one that the processor supports is chosen.
#if defined(__x86_64__)
constexpr Entry kEntries[] = {{Isa::kScalar, "scalar", &kScalarKernels},
                              {Isa::kAvx2, "avx2", &kAvx2Kernels},
                              {Isa::kAvxVnni, "avxvnni", &kAvxVnniKernels},
                              {Isa::kAvx512, "avx512", &kAvx512Kernels},
                              {Isa::kNeon, "neon", nullptr},
                              {Isa::kNeonDot, "neondot", nullptr}};
#elif defined(__aarch64__)
constexpr Entry kEntries[] = {
    {Isa::kScalar, "scalar", &kScalarKernels}, {Isa::kAvx2, "avx2", nullptr},
    {Isa::kAvxVnni, "avxvnni", nullptr},       {Isa::kAvx512, "avx512", nullptr},
    {Isa::kNeon, "neon", &kNeonKernels},       {Isa::kNeonDot, "neondot", &kNeonDotKernels}};
#else
constexpr Entry kEntries[] = {{Isa::kScalar, "scalar", &kScalarKernels},
                              {Isa::kAvx2, "avx2", nullptr},
                              {Isa::kAvxVnni, "avxvnni", nullptr},
                              {Isa::kAvx512, "avx512", nullptr},
                              {Isa::kNeon, "neon", nullptr},
                              {Isa::kNeonDot, "neondot", nullptr}};
#endif

bool processor_has(Isa isa) {
  const CpuInfo& cpu = cpu_info();
  switch (isa) {
    case Isa::kScalar:
      return true;
    case Isa::kAvx2:
      return cpu.avx2;
    case Isa::kAvxVnni:
      return cpu.avx2 && cpu.avx_vnni;
    case Isa::kAvx512:
      return cpu.avx2 && cpu.avx512 && cpu.avx512_vnni;
    case Isa::kNeon:
      return cpu.neon;
    case Isa::kNeonDot:
      return cpu.neon && cpu.neon_dotprod;
  }
  return false;
}

const Entry& entry_of(Isa isa) {
  for (const Entry& entry : kEntries) {
    if (entry.isa == isa) return entry;
  }
  fail(ErrorKind::kInternal, "unknown instruction set");
}

std::string joined_names(bool supported_only) {
  std::vector<std::string> names;
  for (const Entry& entry : kEntries) {
    if (!supported_only || find_kernels(entry.isa) != nullptr) names.emplace_back(entry.name);
  }
  return join(names, ", ");
}

Isa choose_isa() {
  const char* forced = std::getenv("HAT_ISA");
  if (forced == nullptr || *forced == '\0') return supported_isas().back();
  const Isa isa = parse_isa(forced);
  HAT_CHECK(find_kernels(isa) != nullptr, ErrorKind::kUsage,
            str("HAT_ISA=", forced, ": this program on this processor has no such kernels"),
            str("unset HAT_ISA, or use one of: ", joined_names(true)));
  return isa;
}

const Kernels* overriding_table = nullptr;

}  // namespace

const char* isa_name(Isa isa) { return entry_of(isa).name; }

Isa parse_isa(std::string_view name) {
  for (const Entry& entry : kEntries) {
    if (name == entry.name) return entry.isa;
  }
  fail(ErrorKind::kUsage, str("unknown instruction set '", name, "' (HAT_ISA)"),
       str("known are: ", joined_names(false)));
}

const Kernels* find_kernels(Isa isa) { return processor_has(isa) ? entry_of(isa).table : nullptr; }

std::vector<Isa> supported_isas() {
  std::vector<Isa> isas;
  for (const Entry& entry : kEntries) {
    if (find_kernels(entry.isa) != nullptr) isas.push_back(entry.isa);
  }
  return isas;
}

Isa active_isa() {
  static const Isa isa = choose_isa();
  return isa;
}

const Kernels& kernels() {
  if (overriding_table != nullptr) return *overriding_table;
  static const Kernels* const table = find_kernels(active_isa());
  return *table;
}

void override_kernels(const Kernels* table) { overriding_table = table; }

}  // namespace hat::edge
