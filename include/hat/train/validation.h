#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <list>
#include <map>
#include <string>
#include <vector>

#include "hat/data/batch.h"
#include "hat/data/token_dataset.h"
#include "hat/model/loss.h"
#include "hat/model/transformer.h"

namespace hat::train {

/// A data::Batch as tensors, int64 on the CPU.
struct TensorBatch {
  at::Tensor source;       ///< [rows, source length]
  at::Tensor prev_output;  ///< [rows, target length]
  at::Tensor target;       ///< [rows, target length]
  int64_t tokens = 0;      ///< target tokens without padding

  int64_t rows() const { return source.size(0); }
  /// Rows [begin, end), without columns that hold only padding.
  TensorBatch slice(int64_t begin, int64_t end) const;
};
TensorBatch to_tensors(const data::Batch& batch);

/// `sentences` indexes evenly spaced over the set (0 or too many: all of them). Throws kData when
/// the set is empty or holds labels.
std::vector<uint32_t> validation_sentences(const data::TokenDataset& dataset, int64_t sentences);

/// A fixed part of the validation set, cut into batches of like length once: every architecture
/// sees the same sentences in the same batches, so that losses are comparable to the last digit.
class ValidationSet {
 public:
  /// Those of validation_sentences().
  ValidationSet(const data::TokenDataset& dataset, int64_t sentences, int batch_tokens);

  /// Batches that are there already.
  explicit ValidationSet(std::vector<TensorBatch> batches);

  const std::vector<TensorBatch>& batches() const { return batches_; }
  int64_t sentences() const { return sentences_; }
  int64_t tokens() const { return tokens_; }

  /// Sums over all target tokens with the network's current architecture, without dropout.
  model::LossSums evaluate(model::Transformer& network, double label_smoothing) const;

 private:
  std::vector<TensorBatch> batches_;
  int64_t sentences_ = 0;
  int64_t tokens_ = 0;
};

}  // namespace hat::train
