#pragma once

#include "edge/kernels/reference.h"
#include "edge/kernels/table.h"

// Everything that works on rows of floats, written once over `Lanes` (16 floats, from the lanes_*.h
// that an instruction set's file includes before this one). One source is what makes the order of
// operations the same everywhere. Internal linkage: see lanes_scalar.h.
namespace hat::edge {
namespace {

constexpr float kMinusInfinity = -__builtin_inff();

inline Lanes load_up_to(const float* p, uint32_t count, float fill) {
  return count >= 16 ? Lanes::load(p) : Lanes::load_part(p, count, fill);
}

inline void store_up_to(Lanes x, float* p, uint32_t count) {
  if (count >= 16) {
    x.store(p);
  } else {
    x.store_part(p, count);
  }
}

/// y[i] = f(x[i]) for i < n; f maps 16 lanes and gets the index of the first.
template <class F>
inline void map(const float* x, uint32_t n, float* y, F f) {
  uint32_t i = 0;
  for (; i + 16 <= n; i += 16) f(Lanes::load(x + i), i, 16u).store(y + i);
  if (i < n) f(Lanes::load_part(x + i, n - i, 0.0f), i, n - i).store_part(y + i, n - i);
}

inline Lanes exp(Lanes x) {
  const Lanes magic = Lanes::set1(kRoundMagic);
  const Lanes lowest = Lanes::set1(kExpLowest);
  const Lanes bounded = Lanes::max(Lanes::min(x, Lanes::set1(kExpHighest)), lowest);
  const Lanes n = (bounded * Lanes::set1(kLog2E) + magic) - magic;
  const Lanes r = (bounded - n * Lanes::set1(kLn2High)) - n * Lanes::set1(kLn2Low);
  Lanes p = Lanes::set1(kExpTerms[0]);
  for (int i = 1; i < 6; ++i) p = p * r + Lanes::set1(kExpTerms[i]);
  p = ((p * r) * r + r) + Lanes::set1(1.0f);
  return Lanes::where_at_least(x, lowest, p * Lanes::power_of_two(n));
}

inline Lanes gelu(Lanes x) {
  const Lanes one = Lanes::set1(1.0f);
  const Lanes z = Lanes::abs(x) * Lanes::set1(kSqrtHalf);
  const Lanes t = one / (one + z * Lanes::set1(kErfP));
  Lanes p = Lanes::set1(kErfTerms[0]);
  for (int i = 1; i < 5; ++i) p = p * t + Lanes::set1(kErfTerms[i]);
  const Lanes erf = one - (p * t) * exp(Lanes::zero() - z * z);
  return (x * Lanes::set1(0.5f)) * (one + Lanes::copy_sign(erf, x));
}

inline Lanes apply(Activation activation, Lanes x) {
  if (activation == Activation::kRelu) return Lanes::max(x, Lanes::zero());
  if (activation == Activation::kGelu) return gelu(x);
  return x;
}

void activate(Activation activation, float* x, uint32_t n) {
  if (activation == Activation::kNone) return;
  map(x, n, x, [&](Lanes v, uint32_t, uint32_t) { return apply(activation, v); });
}

void add(const float* x, uint32_t n, float* y) {
  map(x, n, y,
      [&](Lanes v, uint32_t i, uint32_t count) { return load_up_to(y + i, count, 0.0f) + v; });
}

void scale_add(const float* x, float factor, const float* z, uint32_t n, float* y) {
  const Lanes f = Lanes::set1(factor);
  if (z == nullptr) {
    map(x, n, y, [&](Lanes v, uint32_t, uint32_t) { return v * f; });
  } else {
    map(x, n, y, [&](Lanes v, uint32_t i, uint32_t count) {
      return v * f + load_up_to(z + i, count, 0.0f);
    });
  }
}

/// sum16 of f(x[i]); f(0) of the lanes beyond n is left out.
template <class F>
inline float sum_of(const float* x, uint32_t n, F f) {
  Lanes total = Lanes::zero();
  uint32_t i = 0;
  for (; i + 32 <= n; i += 32) {
    const Lanes a = f(Lanes::load(x + i));
    const Lanes b = f(Lanes::load(x + i + 16));
    total = (total + a) + b;
  }
  for (; i + 16 <= n; i += 16) total = total + f(Lanes::load(x + i));
  if (i < n) {
    float part[16] = {};
    f(Lanes::load_part(x + i, n - i, 0.0f)).store_part(part, n - i);
    total = total + Lanes::load(part);
  }
  return total.sum();
}

float largest(const float* x, uint32_t n) {
  Lanes m0 = Lanes::set1(kMinusInfinity);
  Lanes m1 = m0;
  uint32_t i = 0;
  for (; i + 32 <= n; i += 32) {
    m0 = Lanes::max(Lanes::load(x + i), m0);
    m1 = Lanes::max(Lanes::load(x + i + 16), m1);
  }
  for (; i < n; i += 16) m0 = Lanes::max(load_up_to(x + i, n - i, kMinusInfinity), m0);
  return Lanes::max(m0, m1).largest();
}

void layer_norm(const float* x, uint32_t n, const float* gamma, const float* beta, float eps,
                float* y) {
  const float count = static_cast<float>(n);
  const float mean_value = sum_of(x, n, [](Lanes v) { return v; }) / count;
  const Lanes mean = Lanes::set1(mean_value);
  const float variance = sum_of(x, n, [&](Lanes v) { return (v - mean) * (v - mean); }) / count;
  const Lanes factor = Lanes::set1(1.0f / __builtin_sqrtf(variance + eps));
  map(x, n, y, [&](Lanes v, uint32_t i, uint32_t count_here) {
    return ((v - mean) * factor) * load_up_to(gamma + i, count_here, 0.0f) +
           load_up_to(beta + i, count_here, 0.0f);
  });
}

void softmax(float* x, uint32_t n) {
  const Lanes top = Lanes::set1(largest(x, n));
  map(x, n, x, [&](Lanes v, uint32_t, uint32_t) { return exp(v - top); });
  const Lanes factor = Lanes::set1(1.0f / sum_of(x, n, [](Lanes v) { return v; }));
  map(x, n, x, [&](Lanes v, uint32_t, uint32_t) { return v * factor; });
}

float log_sum_exp(const float* x, uint32_t n) {
  const float top = largest(x, n);
  const Lanes top_lanes = Lanes::set1(top);
  return top + log_reference(sum_of(x, n, [&](Lanes v) { return exp(v - top_lanes); }));
}

// Insertion keeps the list sorted; after the first few thousand values of a vocabulary almost no
// block has a candidate, so the scan is what takes time.
void top_k(const float* x, uint32_t n, uint32_t first, uint32_t k, float* values,
           int32_t* indices) {
  const auto consider = [&](Lanes v, uint32_t start) {
    uint32_t mask = Lanes::greater(v, Lanes::set1(values[k - 1]));
    while (mask != 0) {
      const uint32_t index = start + static_cast<uint32_t>(__builtin_ctz(mask));
      mask &= mask - 1;
      const float value = x[index];
      if (!(value > values[k - 1])) continue;
      uint32_t place = k - 1;
      for (; place > 0 && value > values[place - 1]; --place) {
        values[place] = values[place - 1];
        indices[place] = indices[place - 1];
      }
      values[place] = value;
      indices[place] = static_cast<int32_t>(first + index);
    }
  };
  uint32_t i = 0;
  for (; i + 64 <= n; i += 64) {
    const Lanes a = Lanes::load(x + i);
    const Lanes b = Lanes::load(x + i + 16);
    const Lanes c = Lanes::load(x + i + 32);
    const Lanes d = Lanes::load(x + i + 48);
    const Lanes most = Lanes::max(Lanes::max(a, b), Lanes::max(c, d));
    // A NaN can hide its neighbour from max in one lane; looking at every lane then costs little.
    if (Lanes::greater(most, Lanes::set1(values[k - 1])) == 0) continue;
    consider(a, i);
    consider(b, i + 16);
    consider(c, i + 32);
    consider(d, i + 48);
  }
  for (; i < n; i += 16) consider(load_up_to(x + i, n - i, kMinusInfinity), i);
}

// Rows below this count as zero: 127 / max must stay finite.
constexpr float kSmallestRow = 1e-30f;

void quantize_row(const float* x, uint32_t k, int8_t* q, float* scale, int32_t* sum,
                  int32_t* group_sums) {
  Lanes most[2] = {Lanes::zero(), Lanes::zero()};
  uint32_t i = 0;
  for (; i + 32 <= k; i += 32) {
    most[0] = Lanes::max(Lanes::abs(Lanes::load(x + i)), most[0]);
    most[1] = Lanes::max(Lanes::abs(Lanes::load(x + i + 16)), most[1]);
  }
  for (; i < k; i += 16) {
    most[0] = Lanes::max(Lanes::abs(load_up_to(x + i, k - i, 0.0f)), most[0]);
  }
  const float top = Lanes::max(most[0], most[1]).largest();
  const bool nothing = !(top >= kSmallestRow);
  const Lanes factor = Lanes::set1(nothing ? 0.0f : 127.0f / top);
  *scale = nothing ? 0.0f : top / 127.0f;
  // Sums of rounded values are whole and below 2^24, hence exact in any order.
  const Lanes magic = Lanes::set1(kRoundMagic);
  Lanes total = Lanes::zero();
  for (i = 0; i < k; i += kGroup) {
    const bool whole = i + kGroup <= k;
    const bool second = i + 16 < k;
    const Lanes a = (whole ? Lanes::load(x + i) : load_up_to(x + i, k - i, 0.0f)) * factor;
    const Lanes b = (whole    ? Lanes::load(x + i + 16)
                     : second ? load_up_to(x + i + 16, k - i - 16, 0.0f)
                              : Lanes::zero()) *
                    factor;
    a.store_int8(q + i);
    b.store_int8(q + i + 16);
    const Lanes both = ((a + magic) - magic) + ((b + magic) - magic);
    total = total + both;
    if (group_sums != nullptr) group_sums[i / kGroup] = round_to_int(both.sum());
  }
  *sum = round_to_int(total.sum());
}

}  // namespace
}  // namespace hat::edge
