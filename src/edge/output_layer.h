#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "edge/beam_search.h"
#include "edge/engine.h"

namespace hat::edge {

/// What one row wants from the output layer.
struct OutputQuery {
  int forced = -1;          ///< the only token of interest, or -1
  bool end_allowed = true;  ///< false: the end is never among the best
  /// Sorted target words that exist for this row, positions in the shortlist's union; empty: all.
  std::span<const int32_t> words;
};

/// The best continuations of one row: `score` is a log-probability.
struct RowCandidates {
  std::vector<Candidate> best;
};

/// Word scores from decoder states: the product with the output table, log softmax, and the best
/// words of each row. The table is the largest matrix of the network; it is read once a step, in
/// pieces of a fixed number of words whose scores stay in cache, and never are all scores in
/// memory. The split is fixed, so neither threads nor batch change a bit.
class OutputLayer {
 public:
  explicit OutputLayer(Engine& engine);

  /// Restricts the layer to some words until the next call; empty: all of them. Ascending.
  void use_words(std::span<const int32_t> words);

  /// For every row, the `count` best words (fewer if there are fewer), or the forced one. Padding
  /// is never chosen; `unknown_penalty` is taken from the unknown word.
  void best(const float* states, std::span<const OutputQuery> queries, size_t count,
            float unknown_penalty, std::vector<RowCandidates>* out);
  /// All scores before the softmax: [rows, target vocabulary].
  void logits(const float* states, size_t rows, float* out);

 private:
  struct Partial {
    std::vector<float> sums;       ///< [row][piece] log of the sum of exponentials
    std::vector<float> values;     ///< [row][list][count] the best scores
    std::vector<int32_t> indices;  ///< [row][list][count] and where they are
    std::vector<float> forced;     ///< [row] the score of the forced word
  };
  void all_words(const Activations& input, std::span<const OutputQuery> queries);
  void piece(const Activations& input, std::span<const OutputQuery> queries, size_t index,
             size_t list, float* scores);
  void listed_words(const Activations& input, std::span<const OutputQuery> queries);
  void scan(const OutputQuery& query, size_t row, size_t index, size_t list, float* scores,
            size_t size, bool listed);
  void finish(size_t row, const OutputQuery& query, RowCandidates* out);
  int32_t word_at(const OutputQuery& query, size_t position, bool listed) const;

  Engine& engine_;
  const Kernels& kernels_;
  PackedMatrix all_;
  PackedMatrix listed_;
  std::vector<int32_t> words_;
  LazyBuffer<std::byte> listed_bytes_;
  LazyBuffer<float> scores_;
  ActivationBuffer activations_;
  size_t count_ = 0;
  size_t pieces_ = 0;
  size_t lists_ = 0;  ///< of best words a row: one for every part that pieces are divided into
  float unknown_penalty_ = 0;
  Partial partial_;
};

}  // namespace hat::edge
