#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "edge/kernels/kernels.h"
#include "hat/base/rng.h"

// What the kernel tests share: random values, packed weights, and every table of this machine.
namespace hat::edge {

/// Packed weights with memory of their own, 64-byte aligned, exactly as long as they must be.
struct Weights {
  Weights(WeightType type, uint32_t n, uint32_t k) : size(packed_bytes(type, n, k)) {
    memory.reset(static_cast<std::byte*>(std::aligned_alloc(kAlignment, size)));
    matrix = view_packed(type, n, k, {memory.get(), size});
  }
  Weights(WeightType type, const std::vector<float>& w, uint32_t n, uint32_t k)
      : Weights(type, n, k) {
    pack(type, w.data(), k, n, k, memory.get());
  }
  struct Free {
    void operator()(std::byte* p) const { std::free(p); }
  };
  size_t size;
  std::unique_ptr<std::byte, Free> memory;
  PackedMatrix matrix;
};

inline std::vector<float> random_values(size_t count, uint64_t seed, float range = 1.0f) {
  Rng rng(seed);
  std::vector<float> values(count);
  for (float& v : values) v = static_cast<float>(rng.uniform() * 2 - 1) * range;
  return values;
}

/// Uses one table until the end of the scope.
class Forced {
 public:
  explicit Forced(const Kernels& table) { override_kernels(&table); }
  ~Forced() { override_kernels(nullptr); }
};

inline testing::AssertionResult same_bits(const std::vector<float>& a,
                                          const std::vector<float>& b) {
  if (a.size() != b.size()) return testing::AssertionFailure() << a.size() << " vs " << b.size();
  for (size_t i = 0; i < a.size(); ++i) {
    if (std::memcmp(&a[i], &b[i], sizeof(float)) != 0) {
      return testing::AssertionFailure() << "at " << i << ": " << a[i] << " vs " << b[i];
    }
  }
  return testing::AssertionSuccess();
}

struct NamedTable {
  std::string name;
  const Kernels* table;
};

inline std::vector<NamedTable> all_tables() {
  std::vector<NamedTable> all;
  for (const Isa isa : supported_isas()) all.push_back({isa_name(isa), find_kernels(isa)});
#if defined(__x86_64__)
  if (find_kernels(Isa::kAvx512) != nullptr) all.push_back({"avxvnni_evex", &kAvxVnniEvexKernels});
#endif
  return all;
}

}  // namespace hat::edge
