// Part of kernels_impl.h: attention for sentences of ordinary length. One head of one sentence fits
// the caches, so it is copied to fp32 scratch memory, padded to whole vectors, and everything about
// it is done there: no tensor of all probabilities, no call for each of thousands of tiny products.

#if defined(__AVX512F__)
constexpr int64_t kLanes = 16;
#elif defined(__AVX2__)
constexpr int64_t kLanes = 8;
#else
constexpr int64_t kLanes = 4;
#endif
typedef float Vector __attribute__((vector_size(kLanes * 4), aligned(4)));

inline Vector load_vector(const float* p) { return *reinterpret_cast<const Vector*>(p); }
inline void store_vector(float* p, Vector v) { *reinterpret_cast<Vector*>(p) = v; }

/// kRows rows and kVectors vectors of columns of C = A B, kept in registers.
template <int kRows, int kVectors>
void product_tile(int64_t depth, const float* a, int64_t a_row, int64_t a_col, const float* b,
                  int64_t ldb, float* c, int64_t ldc) {
  Vector sums[kRows][kVectors] = {};
  for (int64_t k = 0; k < depth; ++k) {
    Vector line[kVectors];
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) line[v] = load_vector(b + k * ldb + v * kLanes);
#pragma GCC unroll 6
    for (int r = 0; r < kRows; ++r) {
      const float factor = a[r * a_row + k * a_col];
#pragma GCC unroll 2
      for (int v = 0; v < kVectors; ++v) sums[r][v] += factor * line[v];
    }
  }
#pragma GCC unroll 6
  for (int r = 0; r < kRows; ++r)
#pragma GCC unroll 2
    for (int v = 0; v < kVectors; ++v) store_vector(c + r * ldc + v * kLanes, sums[r][v]);
}

template <int kVectors>
void product_columns(int64_t rows, int64_t depth, const float* a, int64_t a_row, int64_t a_col,
                     const float* b, int64_t ldb, float* c, int64_t ldc) {
  int64_t r = 0;
  for (; r + 6 <= rows; r += 6)
    product_tile<6, kVectors>(depth, a + r * a_row, a_row, a_col, b, ldb, c + r * ldc, ldc);
  const float* rest = a + r * a_row;
  float* out = c + r * ldc;
  switch (rows - r) {
    case 5:
      return product_tile<5, kVectors>(depth, rest, a_row, a_col, b, ldb, out, ldc);
    case 4:
      return product_tile<4, kVectors>(depth, rest, a_row, a_col, b, ldb, out, ldc);
    case 3:
      return product_tile<3, kVectors>(depth, rest, a_row, a_col, b, ldb, out, ldc);
    case 2:
      return product_tile<2, kVectors>(depth, rest, a_row, a_col, b, ldb, out, ldc);
    case 1:
      return product_tile<1, kVectors>(depth, rest, a_row, a_col, b, ldb, out, ldc);
    default:
      return;
  }
}

/// C [rows, cols] = A [rows, depth] B [depth, cols]; A with any strides, cols a multiple of 16.
void product(int64_t rows, int64_t cols, int64_t depth, const float* a, int64_t a_row,
             int64_t a_col, const float* b, int64_t ldb, float* c, int64_t ldc) {
  int64_t at = 0;
  for (; at + 2 * kLanes <= cols; at += 2 * kLanes)
    product_columns<2>(rows, depth, a, a_row, a_col, b + at, ldb, c + at, ldc);
  for (; at < cols; at += kLanes)
    product_columns<1>(rows, depth, a, a_row, a_col, b + at, ldb, c + at, ldc);
}

inline int64_t padded(int64_t n) { return (n + 15) / 16 * 16; }

/// Rows of one head as fp32 times `scale`, padded with zeros to `width`.
template <class T>
void load_rows(const T* from, int64_t row_stride, int64_t rows, int64_t dim, float scale, float* to,
               int64_t width) {
  for (int64_t r = 0; r < rows; ++r) {
    const T* row = from + r * row_stride;
    float* out = to + r * width;
#pragma omp simd
    for (int64_t c = 0; c < dim; ++c) out[c] = get(row[c]) * scale;
    for (int64_t c = dim; c < width; ++c) out[c] = 0.0f;
  }
}
/// Rows that load_rows made, transposed to [dim, width], columns beyond `rows` zero.
inline void transpose_rows(const float* from, int64_t from_width, int64_t rows, int64_t dim,
                           float* to, int64_t width) {
  for (int64_t c = 0; c < dim; ++c) {
    float* out = to + c * width;
    for (int64_t r = 0; r < rows; ++r) out[r] = from[r * from_width + c];
    for (int64_t r = rows; r < width; ++r) out[r] = 0.0f;
  }
}
template <class T>
void store_rows(const float* from, int64_t width, int64_t rows, int64_t dim, float scale, T* to,
                int64_t row_stride) {
  for (int64_t r = 0; r < rows; ++r) {
    const float* row = from + r * width;
    T* out = to + r * row_stride;
#pragma omp simd
    for (int64_t c = 0; c < dim; ++c) put(&out[c], row[c] * scale);
  }
}

/// Adds the mask and hides future and padding columns: scores become what softmax sees.
inline void mask_scores(const AttentionShape& s, int64_t sentence, float* scores, int64_t width) {
  const float never = -__builtin_inff();
  for (int64_t i = 0; i < s.queries; ++i) {
    float* row = scores + i * width;
    if (s.mask) {
      const float* mask = s.mask + sentence * s.keys;
#pragma omp simd
      for (int64_t j = 0; j < s.keys; ++j) row[j] += mask[j];
    }
    const int64_t visible = s.causal ? std::min(s.keys, i + 1) : s.keys;
    for (int64_t j = visible; j < width; ++j) row[j] = never;
  }
}

/// Places in the scratch memory of one head.
struct HeadMemory {
  HeadMemory(const AttentionShape& s, float* scratch)
      : dim(padded(s.head_dim)), keys(padded(s.keys)) {
    const auto take = [&](int64_t n) {
      float* at = scratch;
      scratch += n;
      return at;
    };
    q = take(s.queries * dim);
    dout = take(s.queries * dim);
    result = take(std::max(s.queries, s.keys) * dim);
    k = take(s.keys * dim);
    v = take(s.keys * dim);
    kt = take(s.head_dim * keys);
    vt = take(s.head_dim * keys);
    scores = take(s.queries * keys);
    dscores = take(s.queries * keys);
  }
  int64_t dim;
  int64_t keys;
  float *q, *dout, *result, *k, *v, *kt, *vt, *scores, *dscores;
};

template <class T>
void attention(const T* q, const T* k, const T* v, const AttentionShape& s, T* out, float* log_sums,
               float* scratch, int64_t first, int64_t last) {
  const HeadMemory m(s, scratch);
  const int64_t channels = s.heads * s.head_dim;
  for (int64_t index = first; index < last; ++index) {
    const int64_t sentence = index / s.heads;
    const int64_t channel = index % s.heads * s.head_dim;
    const int64_t at_keys = sentence * s.key_batch_stride + channel;
    load_rows(q + sentence * s.query_batch_stride + channel, s.query_row_stride, s.queries,
              s.head_dim, s.scale, m.q, m.dim);
    load_rows(k + at_keys, s.key_row_stride, s.keys, s.head_dim, 1.0f, m.k, m.dim);
    load_rows(v + at_keys, s.key_row_stride, s.keys, s.head_dim, 1.0f, m.v, m.dim);
    transpose_rows(m.k, m.dim, s.keys, s.head_dim, m.kt, m.keys);
    product(s.queries, m.keys, s.head_dim, m.q, m.dim, 1, m.kt, m.keys, m.scores, m.keys);
    mask_scores(s, sentence, m.scores, m.keys);
    for (int64_t i = 0; i < s.queries; ++i) {
      float* row = m.scores + i * m.keys;
      const LogSum sum = log_sum_exp(row, m.keys, 1.0f);
      if (log_sums) log_sums[index * s.queries + i] = sum.log_sum;
      const auto base = static_cast<uint32_t>((index * s.queries + i) * s.keys);
      if (s.drop.threshold) {
#pragma omp simd
        for (int64_t j = 0; j < s.keys; ++j)
          row[j] = dropped(s.drop, base + static_cast<uint32_t>(j),
                           exp_nonpositive(row[j] - sum.largest) * sum.inverse_sum);
      } else {
#pragma omp simd
        for (int64_t j = 0; j < s.keys; ++j)
          row[j] = exp_nonpositive(row[j] - sum.largest) * sum.inverse_sum;
      }
    }
    product(s.queries, m.dim, s.keys, m.scores, m.keys, 1, m.v, m.dim, m.result, m.dim);
    store_rows(m.result, m.dim, s.queries, s.head_dim, 1.0f,
               out + sentence * s.queries * channels + channel, channels);
  }
}

/// In: scores after the mask, gradient of the dropped probabilities. Out: `p` the dropped
/// probabilities, `d` the gradient of the scores.
inline void softmax_backward(const AttentionShape& s, int64_t index, const float* log_sums,
                             float* p, float* d, int64_t width) {
  for (int64_t i = 0; i < s.queries; ++i) {
    float* row = p + i * width;
    float* drow = d + i * width;
    const float log_sum = log_sums[index * s.queries + i];
    const auto base = static_cast<uint32_t>((index * s.queries + i) * s.keys);
    float dot = 0;
#pragma omp simd reduction(+ : dot)
    for (int64_t j = 0; j < s.keys; ++j) {
      // Rounding may leave a score a little above its own log-sum.
      const float probability = exp_nonpositive(std::min(row[j] - log_sum, 0.0f));
      const float kept =
          s.drop.threshold ? dropped(s.drop, base + static_cast<uint32_t>(j), 1.0f) : 1.0f;
      drow[j] *= kept;
      dot += drow[j] * probability;
      row[j] = probability;
    }
#pragma omp simd
    for (int64_t j = 0; j < s.keys; ++j) {
      const float kept =
          s.drop.threshold ? dropped(s.drop, base + static_cast<uint32_t>(j), 1.0f) : 1.0f;
      drow[j] = row[j] * (drow[j] - dot);
      row[j] *= kept;
    }
  }
}

template <class T>
void attention_backward(const T* dout, const T* q, const T* k, const T* v, const float* log_sums,
                        const AttentionShape& s, T* dq, T* dk, T* dv, float* scratch, int64_t first,
                        int64_t last) {
  const HeadMemory m(s, scratch);
  const int64_t channels = s.heads * s.head_dim;
  for (int64_t index = first; index < last; ++index) {
    const int64_t sentence = index / s.heads;
    const int64_t channel = index % s.heads * s.head_dim;
    const int64_t at_keys = sentence * s.key_batch_stride + channel;
    const int64_t dense_queries = sentence * s.queries * channels + channel;
    const int64_t dense_keys = sentence * s.keys * channels + channel;
    load_rows(q + sentence * s.query_batch_stride + channel, s.query_row_stride, s.queries,
              s.head_dim, s.scale, m.q, m.dim);
    load_rows(dout + dense_queries, channels, s.queries, s.head_dim, 1.0f, m.dout, m.dim);
    load_rows(k + at_keys, s.key_row_stride, s.keys, s.head_dim, 1.0f, m.k, m.dim);
    load_rows(v + at_keys, s.key_row_stride, s.keys, s.head_dim, 1.0f, m.v, m.dim);
    transpose_rows(m.k, m.dim, s.keys, s.head_dim, m.kt, m.keys);
    transpose_rows(m.v, m.dim, s.keys, s.head_dim, m.vt, m.keys);
    product(s.queries, m.keys, s.head_dim, m.q, m.dim, 1, m.kt, m.keys, m.scores, m.keys);
    mask_scores(s, sentence, m.scores, m.keys);
    product(s.queries, m.keys, s.head_dim, m.dout, m.dim, 1, m.vt, m.keys, m.dscores, m.keys);
    softmax_backward(s, index, log_sums, m.scores, m.dscores, m.keys);
    // dV = P^T dO, dQ = dS K scale, dK = dS^T Q scale (q is scaled already).
    product(s.keys, m.dim, s.queries, m.scores, 1, m.keys, m.dout, m.dim, m.result, m.dim);
    store_rows(m.result, m.dim, s.keys, s.head_dim, 1.0f, dv + dense_keys, channels);
    product(s.queries, m.dim, s.keys, m.dscores, m.keys, 1, m.k, m.dim, m.result, m.dim);
    store_rows(m.result, m.dim, s.queries, s.head_dim, s.scale, dq + dense_queries, channels);
    product(s.keys, m.dim, s.queries, m.dscores, 1, m.keys, m.q, m.dim, m.result, m.dim);
    store_rows(m.result, m.dim, s.keys, s.head_dim, 1.0f, dk + dense_keys, channels);
  }
}
