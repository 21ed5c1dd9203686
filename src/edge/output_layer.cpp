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
  partial_.sums.resize(kBlockRows * pieces_);
  partial_.found.resize(kBlockRows * pieces_ * count_);
  partial_.forced.resize(kBlockRows);
  for (size_t first = 0; first < queries.size(); first += kBlockRows) {
    const size_t rows = std::min(kBlockRows, queries.size() - first);
    const auto block = queries.subspan(first, rows);
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
  const size_t parts = std::min(pieces_, static_cast<size_t>(engine_.pool().threads()));
  const size_t per_part = queries.size() * kPieceWords;
  float* scores = scores_.ensure(std::max(scores_.size(), parts * per_part));
  engine_.pool().parallel_for(parts, [&](size_t part) {
    for (size_t i = pieces_ * part / parts; i < pieces_ * (part + 1) / parts; ++i)
      piece(input, queries, i, scores + part * per_part);
  });
}

void OutputLayer::piece(const Activations& input, std::span<const OutputQuery> queries,
                        size_t index, float* scores) {
  const size_t begin = index * kPieceWords;
  const size_t size = std::min(kPieceWords, all_.n - begin);
  run_gemm(kernels_, some_panels(all_, begin, size), input, scores, kPieceWords);
  for (size_t row = 0; row < queries.size(); ++row)
    scan(queries[row], row, index, scores + row * kPieceWords, begin, size, false);
}

void OutputLayer::listed_words(const Activations& input, std::span<const OutputQuery> queries) {
  const size_t words = words_.size();
  const size_t rows = queries.size();
  float* scores = scores_.ensure(std::max(scores_.size(), 2 * rows * words));
  gemm(listed_, input, scores, words, {}, &engine_.pool());
  std::fill(partial_.sums.begin(), partial_.sums.end(), kNever);
  std::fill(partial_.found.begin(), partial_.found.end(), Candidate{kNever, -1, 0});
  engine_.pool().parallel_for(rows, [&](size_t row) {
    const auto& list = queries[row].words;
    const float* all = scores + row * words;
    float* own = scores + (rows + row) * words;
    for (size_t i = 0; i < list.size(); ++i) own[i] = all[list[i]];
    for (size_t begin = 0; begin < list.size(); begin += kPieceWords) {
      scan(queries[row], row, begin / kPieceWords, own + begin, begin,
           std::min(kPieceWords, list.size() - begin), true);
    }
  });
}

int32_t OutputLayer::word_at(const OutputQuery& query, size_t position, bool listed) const {
  if (!listed) return static_cast<int32_t>(position);
  return words_[static_cast<size_t>(query.words[position])];
}

void OutputLayer::scan(const OutputQuery& query, size_t row, size_t index, float* scores,
                       size_t begin, size_t size, bool listed) {
  constexpr size_t kMaxCount = 1024;
  float values[kMaxCount];
  int32_t indices[kMaxCount];
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
  const size_t wanted = std::min({count_, size, kMaxCount});
  kernels_.top_k(scores, n, static_cast<uint32_t>(wanted), values, indices);
  Candidate* found = partial_.found.data() + (row * pieces_ + index) * count_;
  for (size_t i = 0; i < count_; ++i) {
    const bool real = i < wanted && indices[i] >= 0;
    found[i] = {real ? values[i] : kNever,
                real ? word_at(query, begin + static_cast<size_t>(indices[i]), listed) : -1, 0};
  }
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
  Candidate* found = partial_.found.data() + row * pieces_ * count_;
  Candidate* end = found + pieces_ * count_;
  Candidate* real = std::partition(found, end, [](const Candidate& c) { return c.token >= 0; });
  const size_t take = std::min(count_, static_cast<size_t>(real - found));
  std::partial_sort(found, found + take, real, better);
  for (size_t i = 0; i < take; ++i) {
    const float score = found[i].score - total;
    if (std::isfinite(score)) out->best.push_back({score, found[i].token, 0});
  }
}

void OutputLayer::logits(const float* states, size_t rows, float* out) {
  for (size_t row = 0; row < rows; ++row) {
    const Activations input =
        activations_.prepare(all_.type, states + row * all_.k, all_.k, 1, all_.k, &engine_.pool());
    gemm(all_, input, out + row * all_.n, all_.n, {}, &engine_.pool());
  }
}

}  // namespace hat::edge
