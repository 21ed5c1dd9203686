// The kernels, as plain loops that the compiler vectorises for the flags of the file that includes
// this one. HAT_KERNEL_NAMESPACE names the instruction set. Everything has internal linkage, so
// that no function compiled for one set is shared with another.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "model/kernels/kernels.h"

namespace hat::model::kernels::HAT_KERNEL_NAMESPACE {
namespace {

inline float as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}
inline uint32_t as_bits(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  return bits;
}

inline float get(float x) { return x; }
inline float get(Bf16 x) { return as_float(static_cast<uint32_t>(x.bits) << 16); }
inline void put(float* out, float x) { *out = x; }
/// Rounds to nearest even; NaN stays NaN.
inline void put(Bf16* out, float x) {
  const uint32_t bits = as_bits(x);
  const uint32_t rounded = bits + 0x7fffu + ((bits >> 16) & 1u);
  out->bits = static_cast<uint16_t>((x != x ? (bits | 0x00400000u) : rounded) >> 16);
}

/// A 32-bit finaliser (two multiplications, as in MurmurHash3) over index and key: passes the tests
/// that matter for masks and vectorises without table or state.
inline uint32_t hash(uint32_t key0, uint32_t key1, uint32_t index) {
  uint32_t x = index * 0x9e3779b1u + key0;
  x ^= x >> 16;
  x *= 0x85ebca6bu;
  x = (x ^ (x >> 13)) + key1;
  x *= 0xc2b2ae35u;
  return x ^ (x >> 16);
}

inline float dropped(Dropout d, uint32_t index, float x) {
  return hash(d.key0, d.key1, index) >= d.threshold ? x * d.scale : 0.0f;
}

/// exp(x) to 2 units in the last place: Cody and Waite reduction, polynomial of degree 6.
/// Underflows to zero; arguments here are at most 0.
inline float exp_nonpositive(float x) {
  const float clamped = std::max(x, -87.0f);
  const float n = std::nearbyint(clamped * 1.44269504088896341f);
  float r = clamped - n * 0.693359375f;
  r -= n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const float scaled = p * as_float(static_cast<uint32_t>(static_cast<int32_t>(n) + 127) << 23);
  return x < -87.0f ? 0.0f : scaled;
}

template <class T, bool kRelu, bool kDrop>
void bias_activation_rows(T* x, const float* bias, Dropout drop, Rows rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    T* row = x + r * rows.dim;
    const auto base = static_cast<uint32_t>(r * rows.dim);
#pragma omp simd
    for (int64_t c = 0; c < rows.dim; ++c) {
      float v = get(row[c]) + bias[c];
      if (kRelu) v = v > 0.0f ? v : 0.0f;
      if (kDrop) v = dropped(drop, base + static_cast<uint32_t>(c), v);
      put(&row[c], v);
    }
  }
}

template <class T>
void bias_activation(T* x, const float* bias, bool relu, Dropout drop, Rows rows) {
  if (relu && drop.threshold) return bias_activation_rows<T, true, true>(x, bias, drop, rows);
  if (relu) return bias_activation_rows<T, true, false>(x, bias, drop, rows);
  if (drop.threshold) return bias_activation_rows<T, false, true>(x, bias, drop, rows);
  bias_activation_rows<T, false, false>(x, bias, drop, rows);
}

template <class T, bool kRelu, bool kDrop>
void bias_activation_backward_rows(const T* dy, const T* y, Dropout drop, T* dx, float* dbias,
                                   Rows rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t at = r * rows.dim;
    const auto base = static_cast<uint32_t>(at);
#pragma omp simd
    for (int64_t c = 0; c < rows.dim; ++c) {
      float d = get(dy[at + c]);
      if (kDrop) d = dropped(drop, base + static_cast<uint32_t>(c), d);
      // With dropout y is 0 at dropped places too, where d is 0 anyway.
      if (kRelu) d = get(y[at + c]) > 0.0f ? d : 0.0f;
      dbias[c] += d;
      put(&dx[at + c], d);
    }
  }
}

/// Neither relu nor dropout: dx is dy, only the sums are wanted.
template <class T>
void column_sums(const T* dy, float* sums, Rows rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const T* row = dy + r * rows.dim;
#pragma omp simd
    for (int64_t c = 0; c < rows.dim; ++c) sums[c] += get(row[c]);
  }
}

template <class T>
void bias_activation_backward(const T* dy, const T* y, bool relu, Dropout drop, T* dx, float* dbias,
                              Rows rows) {
  const bool dropping = drop.threshold != 0;
  if (relu && dropping)
    return bias_activation_backward_rows<T, true, true>(dy, y, drop, dx, dbias, rows);
  if (relu) return bias_activation_backward_rows<T, true, false>(dy, y, drop, dx, dbias, rows);
  if (dropping || dx != dy)
    return bias_activation_backward_rows<T, false, true>(dy, y, drop, dx, dbias, rows);
  column_sums(dy, dbias, rows);
}

template <class T>
void residual(const float* x, const T* branch, const float* bias, Dropout drop, float* out,
              Rows rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t at = r * rows.dim;
    const auto base = static_cast<uint32_t>(at);
    if (drop.threshold) {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c)
        out[at + c] = x[at + c] +
                      dropped(drop, base + static_cast<uint32_t>(c), get(branch[at + c]) + bias[c]);
    } else {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c)
        out[at + c] = x[at + c] + (get(branch[at + c]) + bias[c]);
    }
  }
}

template <class T>
void residual_backward(const float* d, Dropout drop, T* dbranch, float* dbias, Rows rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t at = r * rows.dim;
    const auto base = static_cast<uint32_t>(at);
    if (dbranch == nullptr) {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) dbias[c] += d[at + c];
    } else if (drop.threshold) {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) {
        const float v = dropped(drop, base + static_cast<uint32_t>(c), d[at + c]);
        dbias[c] += v;
        put(&dbranch[at + c], v);
      }
    } else {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) {
        dbias[c] += d[at + c];
        put(&dbranch[at + c], d[at + c]);
      }
    }
  }
}

template <class T>
void norm(const float* x, const float* gamma, const float* beta, float epsilon, float* y, T* low,
          float* mean_out, float* rstd_out, Rows rows) {
  const float inverse = 1.0f / static_cast<float>(rows.dim);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* row = x + r * rows.dim;
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < rows.dim; ++c) sum += row[c];
    const float mean = sum * inverse;
    // Two passes: the one-pass formula loses digits where the mean is large.
    float square = 0;
#pragma omp simd reduction(+ : square)
    for (int64_t c = 0; c < rows.dim; ++c) square += (row[c] - mean) * (row[c] - mean);
    const float rstd = 1.0f / std::sqrt(square * inverse + epsilon);
    if (mean_out) mean_out[r] = mean;
    if (rstd_out) rstd_out[r] = rstd;
    if (y) {
      float* out = y + r * rows.dim;
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) out[c] = (row[c] - mean) * rstd * gamma[c] + beta[c];
    }
    if (low) {
      T* out = low + r * rows.dim;
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c)
        put(&out[c], (row[c] - mean) * rstd * gamma[c] + beta[c]);
    }
  }
}

template <class T>
void norm_backward(const float* x, const float* gamma, const float* mean_in, const float* rstd_in,
                   const float* dy, const T* dlow, const float* through, float* dx, float* dgamma,
                   float* dbeta, Rows rows) {
  const float inverse = 1.0f / static_cast<float>(rows.dim);
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const int64_t at = r * rows.dim;
    const float* row = x + at;
    float* out = dx + at;
    const float mean = mean_in[r];
    const float rstd = rstd_in[r];
    // The incoming gradient is gathered in dx first.
    if (dy && dlow) {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) out[c] = dy[at + c] + get(dlow[at + c]);
    } else if (dy) {
      if (out != dy + at) std::memcpy(out, dy + at, static_cast<size_t>(rows.dim) * 4);
    } else {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) out[c] = get(dlow[at + c]);
    }
    float sum = 0;
    float dot = 0;
#pragma omp simd reduction(+ : sum, dot)
    for (int64_t c = 0; c < rows.dim; ++c) {
      const float normal = (row[c] - mean) * rstd;
      const float d = out[c];
      dgamma[c] += d * normal;
      dbeta[c] += d;
      sum += d * gamma[c];
      dot += d * gamma[c] * normal;
    }
    sum *= inverse;
    dot *= inverse;
    if (through) {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) {
        const float normal = (row[c] - mean) * rstd;
        out[c] = rstd * (out[c] * gamma[c] - sum - normal * dot) + through[at + c];
      }
    } else {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) {
        const float normal = (row[c] - mean) * rstd;
        out[c] = rstd * (out[c] * gamma[c] - sum - normal * dot);
      }
    }
  }
}

template <class T>
void embed(const float* table, int64_t stride, const int64_t* tokens, const float* positions,
           int64_t position_stride, const int64_t* position, float scale, Dropout drop, float* y,
           T* low, Rows rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const float* word = table + tokens[r] * stride;
    const float* place = positions + position[r] * position_stride;
    float* out = y + r * rows.dim;
    const auto base = static_cast<uint32_t>(r * rows.dim);
    if (drop.threshold) {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c)
        out[c] = dropped(drop, base + static_cast<uint32_t>(c), scale * word[c] + place[c]);
    } else {
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) out[c] = scale * word[c] + place[c];
    }
    if (low) {
      T* out_low = low + r * rows.dim;
#pragma omp simd
      for (int64_t c = 0; c < rows.dim; ++c) put(&out_low[c], out[c]);
    }
  }
}

template <class T>
void embed_backward(const float* dy, const T* dlow, const int64_t* tokens, float scale,
                    Dropout drop, float* gradient, int64_t stride, int64_t skip_token,
                    int64_t first, int64_t last, Rows rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    if (tokens[r] == skip_token) continue;
    const int64_t at = r * rows.dim;
    float* out = gradient + tokens[r] * stride;
    const auto base = static_cast<uint32_t>(at);
    if (dlow) {
#pragma omp simd
      for (int64_t c = first; c < last; ++c) {
        const float d = (dy ? dy[at + c] : 0.0f) + get(dlow[at + c]);
        out[c] += scale * dropped(drop, base + static_cast<uint32_t>(c), d);
      }
    } else {
#pragma omp simd
      for (int64_t c = first; c < last; ++c)
        out[c] += scale * dropped(drop, base + static_cast<uint32_t>(c), dy[at + c]);
    }
  }
}

template <class T>
void accumulate(const T* x, float* out, int64_t stride, Rows rows) {
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    const T* from = x + r * rows.dim;
    float* to = out + r * stride;
#pragma omp simd
    for (int64_t c = 0; c < rows.dim; ++c) to[c] += get(from[c]);
  }
}

/// Largest value, and log of the sum of exp(x / temperature - largest / temperature) plus it.
struct LogSum {
  float largest;
  float log_sum;
  float inverse_sum;
};
template <class T>
LogSum log_sum_exp(const T* row, int64_t n, float inverse_temperature) {
  float largest = get(row[0]);
#pragma omp simd reduction(max : largest)
  for (int64_t c = 0; c < n; ++c) largest = std::max(largest, get(row[c]));
  float sum = 0;
#pragma omp simd reduction(+ : sum)
  for (int64_t c = 0; c < n; ++c)
    sum += exp_nonpositive((get(row[c]) - largest) * inverse_temperature);
  return {largest, largest * inverse_temperature + std::log(sum), 1.0f / sum};
}

template <class T>
void cross_entropy(T* logits, const int64_t* targets, const T* teacher, float smoothing,
                   float teacher_weight, float temperature, float gradient_scale, bool gradient,
                   double* loss, Rows rows) {
  const int64_t n = rows.dim;
  const float uniform = smoothing / static_cast<float>(n);
  const float inverse_t = 1.0f / temperature;
  const float own = teacher ? 1.0f - teacher_weight : 1.0f;
  // temperature^2 keeps the size of the gradient; one of the two cancels in d(z / T) / dz.
  const float soft_gradient = gradient_scale * teacher_weight * temperature;
  for (int64_t r = rows.begin; r < rows.end; ++r) {
    T* row = logits + r * n;
    const LogSum hard = log_sum_exp(row, n, 1.0f);
    float sum = 0;
#pragma omp simd reduction(+ : sum)
    for (int64_t c = 0; c < n; ++c) sum += get(row[c]);
    const float nll = hard.log_sum - get(row[targets[r]]);
    const float spread = static_cast<float>(n) * hard.log_sum - sum;
    double total = static_cast<double>(own) * ((1.0f - smoothing) * nll + uniform * spread);

    const T* guide = teacher ? teacher + r * n : nullptr;
    LogSum soft{0, 0, 0};
    LogSum other{0, 0, 0};
    if (guide) {
      soft = temperature == 1.0f ? hard : log_sum_exp(row, n, inverse_t);
      other = log_sum_exp(guide, n, inverse_t);
      float expected = 0;  // sum of q * z / T
#pragma omp simd reduction(+ : expected)
      for (int64_t c = 0; c < n; ++c)
        expected += exp_nonpositive((get(guide[c]) - other.largest) * inverse_t) *
                    ((get(row[c]) - soft.largest) * inverse_t);
      const float entropy = soft.log_sum - soft.largest * inverse_t - expected * other.inverse_sum;
      total += static_cast<double>(teacher_weight) * temperature * temperature * entropy;
    }
    loss[0] += total;
    loss[1] += nll;
    if (!gradient) continue;

    const float scale = gradient_scale * own;
    const float target_logit = get(row[targets[r]]);
    const float p_target = exp_nonpositive(target_logit - hard.largest) * hard.inverse_sum;
    float q_part = 0;
    if (guide) {
      const int64_t t = targets[r];
      q_part = soft_gradient *
               (exp_nonpositive((target_logit - soft.largest) * inverse_t) * soft.inverse_sum -
                exp_nonpositive((get(guide[t]) - other.largest) * inverse_t) * other.inverse_sum);
#pragma omp simd
      for (int64_t c = 0; c < n; ++c) {
        const float z = get(row[c]);
        const float p = exp_nonpositive(z - hard.largest) * hard.inverse_sum;
        const float s = exp_nonpositive((z - soft.largest) * inverse_t) * soft.inverse_sum;
        const float q =
            exp_nonpositive((get(guide[c]) - other.largest) * inverse_t) * other.inverse_sum;
        put(&row[c], scale * (p - uniform) + soft_gradient * (s - q));
      }
    } else {
#pragma omp simd
      for (int64_t c = 0; c < n; ++c)
        put(&row[c],
            scale * (exp_nonpositive(get(row[c]) - hard.largest) * hard.inverse_sum - uniform));
    }
    put(&row[targets[r]], scale * (p_target - uniform - (1.0f - smoothing)) + q_part);
  }
}

#include "model/kernels/attention_impl.h"

template <class T>
constexpr Table<T> make_table() {
  return {bias_activation<T>,
          bias_activation_backward<T>,
          residual<T>,
          residual_backward<T>,
          norm<T>,
          norm_backward<T>,
          embed<T>,
          embed_backward<T>,
          accumulate<T>,
          cross_entropy<T>,
          attention<T>,
          attention_backward<T>};
}

}  // namespace

const Table<float> kFloat = make_table<float>();
const Table<Bf16> kBf16 = make_table<Bf16>();

}  // namespace hat::model::kernels::HAT_KERNEL_NAMESPACE
