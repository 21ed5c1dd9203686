#include "edge/output_layer.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "edge/tokens.h"

namespace hat::edge {
namespace {

// Words whose scores are computed and scanned together, and rows at once: 512 KiB of scores at
// most, and 1 MiB of int8 weights at width 512, which stay in cache for all rows.
constexpr size_t kPieceWords = 2048;
constexpr size_t kBlockRows = 64;
// From one row of scores to the next: not a power of two, whose multiples share cache lines.
constexpr size_t kScoresStride = kPieceWords + 16;
constexpr float kNever = -std::numeric_limits<float>::infinity();

PackedMatrix some_panels(const PackedMatrix& matrix, size_t first_row, size_t rows) {
  PackedMatrix part = matrix;
  part.n = static_cast<uint32_t>(rows);
  part.data = matrix.data + first_row / kPanelRows * panel_bytes(matrix.type, matrix.k);
  return part;
}

void run_gemm(const Kernels& kernels, const PackedMatrix& w, const Activations& x, float* y,
              size_t ldy) {
  GemmTask task;
  task.w = w;
  task.x = x;
  task.y = y;
  task.ldy = ldy;
  switch (w.type) {
    case WeightType::kFp32:
      return kernels.gemm_fp32(task, 0, panel_count(w.n));
    case WeightType::kInt8:
      return kernels.gemm_int8(task, 0, panel_count(w.n));
    case WeightType::kInt4:
      return kernels.gemm_int4(task, 0, panel_count(w.n));
  }
}

}  // namespace

OutputLayer::OutputLayer(Engine& engine)
    : engine_(engine),
      kernels_(kernels()),
      all_(engine.network().output),
      activations_(kBlockRows, engine.network().output.k) {}

void OutputLayer::use_words(std::span<const int32_t> words) {
  words_.assign(words.begin(), words.end());
  if (words_.empty()) return;
  const auto rows = static_cast<uint32_t>(words_.size());
  const size_t size = packed_bytes(all_.type, rows, all_.k);
  listed_ = all_;
  listed_.n = rows;
  listed_.data = listed_bytes_.ensure(size);
  gather_rows(all_, words_, listed_bytes_.data());
}

void OutputLayer::best(const float* states, std::span<const OutputQuery> queries, size_t count,
                       float unknown_penalty, std::vector<RowCandidates>* out) {
  const bool listed = !words_.empty();
  const size_t words = listed ? words_.size() : all_.n;
  // Never all words, so that padding is not needed to fill the list (as in fairseq).
  count_ = std::min(count, words - 1);
  unknown_penalty_ = unknown_penalty;
  pieces_ = (words + kPieceWords - 1) / kPieceWords;
  out->resize(std::max(out->size(), queries.size()));
  lists_ = listed ? 1 : std::min(pieces_, static_cast<size_t>(engine_.pool().threads()));
  partial_.sums.resize(kBlockRows * pieces_);
  partial_.values.resize(kBlockRows * lists_ * count_);
  partial_.indices.resize(kBlockRows * lists_ * count_);
  partial_.forced.resize(kBlockRows);
  for (size_t first = 0; first < queries.size(); first += kBlockRows) {
    const size_t rows = std::min(kBlockRows, queries.size() - first);
    const auto block = queries.subspan(first, rows);
    std::fill(partial_.values.begin(), partial_.values.end(), kNever);
    std::fill(partial_.indices.begin(), partial_.indices.end(), -1);
    std::fill(partial_.forced.begin(), partial_.forced.end(), kNever);
    const Activations input =
        activations_.prepare(all_.type, states + first * all_.k, all_.k,
                             static_cast<uint32_t>(rows), all_.k, &engine_.pool());
    if (listed) {
      listed_words(input, block);
    } else {
      all_words(input, block);
    }
    const size_t parts = std::min(rows, static_cast<size_t>(engine_.pool().threads()));
    engine_.pool().parallel_for(parts, [&](size_t part) {
      for (size_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row)
        finish(row, block[row], &(*out)[first + row]);
    });
  }
}

void OutputLayer::all_words(const Activations& input, std::span<const OutputQuery> queries) {
  const size_t parts = lists_;
  const size_t per_part = queries.size() * kScoresStride;
  float* scores = scores_.ensure(std::max(scores_.size(), parts * per_part));
  engine_.pool().parallel_for(parts, [&](size_t part) {
    for (size_t i = pieces_ * part / parts; i < pieces_ * (part + 1) / parts; ++i)
      piece(input, queries, i, part, scores + part * per_part);
  });
}

void OutputLayer::piece(const Activations& input, std::span<const OutputQuery> queries,
                        size_t index, size_t list, float* scores) {
  const size_t begin = index * kPieceWords;
  const size_t size = std::min(kPieceWords, all_.n - begin);
  run_gemm(kernels_, some_panels(all_, begin, size), input, scores, kScoresStride);
  for (size_t row = 0; row < queries.size(); ++row)
    scan(queries[row], row, index, list, scores + row * kScoresStride, size, false);
}

void OutputLayer::listed_words(const Activations& input, std::span<const OutputQuery> queries) {
  const size_t words = words_.size();
  const size_t rows = queries.size();
  float* scores = scores_.ensure(std::max(scores_.size(), 2 * rows * words));
  gemm(listed_, input, scores, words, {}, &engine_.pool());
  std::fill(partial_.sums.begin(), partial_.sums.end(), kNever);
  engine_.pool().parallel_for(rows, [&](size_t row) {
    const auto& list = queries[row].words;
    const float* all = scores + row * words;
    float* own = scores + (rows + row) * words;
    for (size_t i = 0; i < list.size(); ++i) own[i] = all[list[i]];
    for (size_t begin = 0; begin < list.size(); begin += kPieceWords) {
      scan(queries[row], row, begin / kPieceWords, 0, own + begin,
           std::min(kPieceWords, list.size() - begin), true);
    }
  });
}

int32_t OutputLayer::word_at(const OutputQuery& query, size_t position, bool listed) const {
  if (!listed) return static_cast<int32_t>(position);
  return words_[static_cast<size_t>(query.words[position])];
}

void OutputLayer::scan(const OutputQuery& query, size_t row, size_t index, size_t list,
                       float* scores, size_t size, bool listed) {
  const size_t begin = index * kPieceWords;
  const auto n = static_cast<uint32_t>(size);
  partial_.sums[row * pieces_ + index] = kernels_.log_sum_exp(scores, n);

  // The special words are the first of any list, in pieces of their own list's first words.
  const size_t special = std::min<size_t>(size, begin == 0 ? kUnknown + 1 : 0);
  const bool forced_here = query.forced >= 0;
  if (forced_here) {
    if (!listed) {
      const auto token = static_cast<size_t>(query.forced);
      if (token >= begin && token < begin + size) partial_.forced[row] = scores[token - begin];
      return;
    }
    for (size_t i = 0; i < size; ++i) {
      if (word_at(query, begin + i, true) == query.forced) partial_.forced[row] = scores[i];
    }
    return;
  }
  for (size_t i = 0; i < special; ++i) {
    const int32_t word = word_at(query, begin + i, listed);
    if (word == kPad || (word == kEnd && !query.end_allowed)) scores[i] = kNever;
    if (word == kUnknown) scores[i] -= unknown_penalty_;
  }
  if (count_ == 0) return;
  const size_t at = (row * lists_ + list) * count_;
  kernels_.top_k(scores, n, static_cast<uint32_t>(begin), static_cast<uint32_t>(count_),
                 partial_.values.data() + at, partial_.indices.data() + at);
}

void OutputLayer::finish(size_t row, const OutputQuery& query, RowCandidates* out) {
  const float total =
      kernels_.log_sum_exp(partial_.sums.data() + row * pieces_, static_cast<uint32_t>(pieces_));
  out->best.clear();
  if (query.forced >= 0) {
    float score = partial_.forced[row] - total;
    if (query.forced == kUnknown) score -= unknown_penalty_;
    // A forced word is taken whatever the network thinks of it.
    if (!std::isfinite(score)) score = std::numeric_limits<float>::lowest() / 1e6f;
    out->best.push_back({score, query.forced, 0});
    return;
  }
  const bool listed = !words_.empty();
  for (size_t i = row * lists_ * count_; i < (row + 1) * lists_ * count_; ++i) {
    if (partial_.indices[i] < 0) continue;
    const auto at = static_cast<size_t>(partial_.indices[i]);
    out->best.push_back({partial_.values[i], word_at(query, at, listed), 0});
  }
  const size_t take = std::min(count_, out->best.size());
  std::partial_sort(out->best.begin(), out->best.begin() + static_cast<ptrdiff_t>(take),
                    out->best.end(), better);
  out->best.resize(take);
  for (Candidate& candidate : out->best) candidate.score -= total;
  std::erase_if(out->best, [](const Candidate& c) { return !std::isfinite(c.score); });
}

void OutputLayer::logits(const float* states, size_t rows, float* out) {
  for (size_t row = 0; row < rows; ++row) {
    const Activations input =
        activations_.prepare(all_.type, states + row * all_.k, all_.k, 1, all_.k, &engine_.pool());
    gemm(all_, input, out + row * all_.n, all_.n, {}, &engine_.pool());
  }
}

}  // namespace hat::edge
