#include "model/kernels/kernels.h"

#include <algorithm>
#include <cstdlib>
#include <string>

#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::model::kernels {
namespace {

Isa detect() {
  const CpuInfo& cpu = cpu_info();
  const Isa have = cpu.avx512 ? Isa::kAvx512 : cpu.avx2 ? Isa::kAvx2 : Isa::kScalar;
  const char* wanted = std::getenv("HAT_ISA");
  if (wanted == nullptr || *wanted == '\0') return have;
  const std::string name = wanted;
  if (name == "scalar") return Isa::kScalar;
  if (name == "avx2") return have < Isa::kAvx2 ? have : Isa::kAvx2;
  // Names of the device runtime's finer sets (avx512_vnni and so on) mean the widest one here.
  return have;
}

template <class T>
const Table<T>& pick(Isa isa, const Table<T>& scalar, const Table<T>& avx2,
                     const Table<T>& avx512) {
  switch (isa) {
    case Isa::kAvx512:
      return avx512;
    case Isa::kAvx2:
      return avx2;
    default:
      return scalar;
  }
}

}  // namespace

uint32_t dropout_hash(uint32_t key0, uint32_t key1, uint32_t index) {
  uint32_t x = index * 0x9e3779b1u + key0;
  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x = (x ^ (x >> 13)) + key1;
  x *= 0xc2b2ae35u;
  return x ^ (x >> 16);
}

int64_t attention_scratch(const AttentionShape& shape) {
  const auto padded = [](int64_t n) { return (n + 15) / 16 * 16; };
  const int64_t keys = padded(shape.keys);
  const int64_t dim = padded(shape.head_dim);
  // q, dout, and a result as long as the longer side; k, v and both transposed; two score matrices.
  return (2 * shape.queries + std::max(shape.queries, shape.keys)) * dim + 2 * shape.keys * dim +
         2 * shape.head_dim * keys + 2 * shape.queries * keys + 16;
}

Isa best_isa() {
  static const Isa isa = detect();
  return isa;
}

#if defined(__x86_64__)
template <>
const Table<float>& table<float>(Isa isa) {
  return pick(isa, scalar::kFloat, avx2::kFloat, avx512::kFloat);
}
template <>
const Table<Bf16>& table<Bf16>(Isa isa) {
  return pick(isa, scalar::kBf16, avx2::kBf16, avx512::kBf16);
}
#else
template <>
const Table<float>& table<float>(Isa) {
  return scalar::kFloat;
}
template <>
const Table<Bf16>& table<Bf16>(Isa) {
  return scalar::kBf16;
}
#endif

}  // namespace hat::model::kernels
