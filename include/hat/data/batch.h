#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "hat/data/token_dataset.h"

namespace hat::data {

/// How a corpus is cut into batches.
struct BatchOptions {
  /// rows * max(longest source, longest target) stays at or below this; a sentence that is longer
  /// alone gets a batch of its own. For labelled sets the target does not count.
  int batch_tokens = 4096;
  /// At most so many rows; 0: no limit.
  int max_rows = 0;
  uint64_t seed = 1;
  /// false: one fixed order, by length, for validation and test.
  bool shuffle = true;
};

/// All batches of one epoch. Sentences of like length go together: sorted by target length, then by
/// source length in alternating direction (so that two neighbours are near in both), cut greedily.
/// Which of the equally long sentences meet, and the order of the batches, is drawn anew for each
/// epoch from (seed, epoch) alone.
class BatchPlan {
 public:
  BatchPlan(const TokenDataset& dataset, const BatchOptions& options, uint64_t epoch);

  size_t size() const { return order_.size(); }
  /// Sentence indexes of batch `position`; throws kInternal past the end.
  std::span<const uint32_t> batch(size_t position) const;
  /// Share of padding among all cells of source and target matrices, in [0, 1).
  double padding_share() const { return padding_share_; }
  uint64_t epoch() const { return epoch_; }

 private:
  void cut(const TokenDataset& dataset, const BatchOptions& options);
  uint64_t epoch_;
  std::vector<uint32_t> sentences_;  // in the order of length
  std::vector<uint32_t> starts_;     // batch i is sentences_[starts_[i] .. starts_[i + 1])
  std::vector<uint32_t> order_;      // in which batches are visited
  double padding_share_ = 0;
};

/// Where training stands: the next batch is `position` of `epoch`. Small, goes into checkpoints.
struct BatchCursor {
  uint64_t epoch = 0;
  uint64_t position = 0;
  /// Of corpus and batch options, so that a cursor is never applied to others.
  uint64_t fingerprint = 0;

  /// "epoch:position:fingerprint", the last in hexadecimal; parse throws kData.
  std::string to_string() const;
  static BatchCursor parse(const std::string& text);
  bool operator==(const BatchCursor&) const = default;
};

/// Endless batches, epoch after epoch; the sequence depends on corpus, options and cursor only.
class BatchIterator {
 public:
  BatchIterator(const TokenDataset& dataset, const BatchOptions& options);

  /// The next batch's sentences, valid until the next call. The cursor then points behind it.
  std::span<const uint32_t> next();
  BatchCursor cursor() const;
  /// Throws kData when the cursor belongs to another corpus or other batch options.
  void seek(const BatchCursor& cursor);
  /// The epoch in work.
  const BatchPlan& plan() const { return plan_; }

 private:
  TokenDataset dataset_;
  BatchOptions options_;
  uint64_t fingerprint_;
  BatchPlan plan_;
  uint64_t position_ = 0;
};

/// One padded batch. Matrices are row-major [rows, length] and padded on the right with kPad.
struct Batch {
  int64_t rows = 0;
  int64_t source_length = 0;
  int64_t target_length = 0;
  std::vector<int64_t> source;  ///< [rows, source_length], each row ends with eos
  std::vector<int64_t>
      prev_output;              ///< [rows, target_length]: eos, then the target without its eos
  std::vector<int64_t> target;  ///< [rows, target_length], each row ends with eos
  std::vector<int64_t> labels;  ///< [rows] for labelled sets (then the two above are empty)
  int64_t source_tokens = 0;    ///< without padding
  int64_t target_tokens = 0;    ///< without padding
};

/// Copies sentences into padded matrices. Throws kData on an id outside the vocabulary.
Batch make_batch(const TokenDataset& dataset, std::span<const uint32_t> sentences);

}  // namespace hat::data
