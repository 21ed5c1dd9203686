#pragma once

#include <cstdint>

// Element-wise work of training that is not a matrix product, on the CPU: fused so that every
// activation is read and written once. Plain pointers, one thread a call; ops.cpp splits the rows
// among threads. Compiled once for each instruction set and chosen at run time.
namespace hat::model::kernels {

/// A bfloat16 number as it lies in memory.
struct Bf16 {
  uint16_t bits;
};

/// Dropout of a block of elements: element i is kept when a hash of (key, i) reaches `threshold`,
/// and then multiplied by `scale`. No mask is stored: backward computes it again.
struct Dropout {
  uint32_t key0 = 0;
  uint32_t key1 = 0;
  uint32_t threshold = 0;  ///< p * 2^32; 0: everything is kept
  float scale = 1;         ///< 1 / (1 - p)
};

/// Rows [begin, end) of a [rows, dim] problem. All matrices are dense.
struct Rows {
  int64_t begin = 0;
  int64_t end = 0;
  int64_t dim = 0;
};

/// Attention of some heads: softmax(q k^T scale + mask) v. Row r of a sentence's tensor starts at
/// sentence * batch_stride + r * row_stride, head h of it h * head_dim further.
struct AttentionShape {
  int64_t queries = 0;  ///< tokens a sentence
  int64_t keys = 0;
  int64_t heads = 0;
  int64_t head_dim = 0;
  int64_t query_batch_stride = 0, query_row_stride = 0;
  int64_t key_batch_stride = 0, key_row_stride = 0;  ///< keys and values alike
  float scale = 1;
  bool causal = false;
  const float* mask = nullptr;  ///< [sentences, keys], added; null: none
  Dropout drop;                 ///< of probabilities; element ((sentence, head), query, key)
};
/// Floats of scratch memory that the attention kernels need.
int64_t attention_scratch(const AttentionShape& shape);

/// The kernels of one instruction set, for activations of type T (float or Bf16). The residual
/// stream is always float; `low` outputs are copies of it in T for the next matrix product, null
/// when T is float.
template <class T>
struct Table {
  /// y = (x + bias), then max(0, .) if relu, then dropout; in place.
  void (*bias_activation)(T* x, const float* bias, bool relu, Dropout drop, Rows rows);
  /// dx = dy where y > 0 (if relu) and kept; dbias[c] += sum of rows. dx may be dy.
  void (*bias_activation_backward)(const T* dy, const T* y, bool relu, Dropout drop, T* dx,
                                   float* dbias, Rows rows);
  /// out = x + dropout(branch + bias).
  void (*residual)(const float* x, const T* branch, const float* bias, Dropout drop, float* out,
                   Rows rows);
  /// dbranch = dropout'(d) in T; dbias[c] += sum of rows. dbranch may be null when nothing but the
  /// bias gradient is wanted.
  void (*residual_backward)(const float* d, Dropout drop, T* dbranch, float* dbias, Rows rows);
  /// y = (x - mean) * rstd * gamma + beta over each row; y and low may each be null.
  void (*norm)(const float* x, const float* gamma, const float* beta, float epsilon, float* y,
               T* low, float* mean, float* rstd, Rows rows);
  /// Gradient of norm for d = dy + dlow (+ through): each may be null. dx = result + through.
  /// dgamma, dbeta += sums of rows.
  void (*norm_backward)(const float* x, const float* gamma, const float* mean, const float* rstd,
                        const float* dy, const T* dlow, const float* through, float* dx,
                        float* dgamma, float* dbeta, Rows rows);
  /// y = dropout(scale * table[token] + positions[position]); `stride` is the table's row length.
  void (*embed)(const float* table, int64_t stride, const int64_t* tokens, const float* positions,
                int64_t position_stride, const int64_t* position, float scale, Dropout drop,
                float* y, T* low, Rows rows);
  /// gradient[token] += scale * dropout'(dy + dlow) for columns [first, last) of all rows.
  void (*embed_backward)(const float* dy, const T* dlow, const int64_t* tokens, float scale,
                         Dropout drop, float* gradient, int64_t stride, int64_t skip_token,
                         int64_t first, int64_t last, Rows rows);
  /// out (rows `stride` apart) += x.
  void (*accumulate)(const T* x, float* out, int64_t stride, Rows rows);
  /// Label-smoothed cross entropy of rows of logits [rows, dim]; see loss.h for the formula. Adds
  /// the sums to loss[0] and loss[1] (nll). When `gradient` is true the logits are replaced by
  /// gradient_scale * d loss / d logits. `teacher` (may be null) holds the teacher's logits.
  void (*cross_entropy)(T* logits, const int64_t* targets, const T* teacher, float smoothing,
                        float teacher_weight, float temperature, float gradient_scale,
                        bool gradient, double* loss, Rows rows);
  /// Heads [first, last) counted over all sentences. `out` is dense [sentences, queries, heads *
  /// head_dim]; `log_sums` [sentences * heads, queries] may be null.
  void (*attention)(const T* q, const T* k, const T* v, const AttentionShape& shape, T* out,
                    float* log_sums, float* scratch, int64_t first, int64_t last);
  /// Gradients for q, k and v, dense like `out`.
  void (*attention_backward)(const T* dout, const T* q, const T* k, const T* v,
                             const float* log_sums, const AttentionShape& shape, T* dq, T* dk,
                             T* dv, float* scratch, int64_t first, int64_t last);
};

/// Counters of dropout as the kernels use them, for the ATen path and tests.
uint32_t dropout_hash(uint32_t key0, uint32_t key1, uint32_t index);

enum class Isa { kScalar, kAvx2, kAvx512 };
/// What the processor has, lowered by HAT_ISA=scalar|avx2|avx512 in the environment.
Isa best_isa();
template <class T>
const Table<T>& table(Isa isa);

template <>
const Table<float>& table<float>(Isa isa);
template <>
const Table<Bf16>& table<Bf16>(Isa isa);

/// One translation unit for each instruction set.
namespace scalar {
extern const Table<float> kFloat;
extern const Table<Bf16> kBf16;
}  // namespace scalar
namespace avx2 {
extern const Table<float> kFloat;
extern const Table<Bf16> kBf16;
}  // namespace avx2
namespace avx512 {
extern const Table<float> kFloat;
extern const Table<Bf16> kBf16;
}  // namespace avx512

}  // namespace hat::model::kernels
