#pragma once

#include <cstdint>
#include <vector>

#include "hat/arch/cost.h"
#include "hat/train/validation.h"

namespace hat::train {

/// Random words in sentences of lengths as text has them (4 to 60 tokens, 24 in the mean, target
/// about as long as source): what the words are does not matter for speed.
class BenchmarkCorpus {
 public:
  BenchmarkCorpus(int sentences, arch::Vocabulary vocabulary, uint64_t seed);

  /// Batches of at most `batch_tokens` padded tokens, sentences of like length together.
  std::vector<TensorBatch> by_length(int batch_tokens) const;
  /// The same without an order, as the simplest loop cuts them.
  std::vector<TensorBatch> at_random(int batch_tokens) const;

 private:
  struct Sentence {
    std::vector<int64_t> source, target;
  };
  static TensorBatch pad(const std::vector<const Sentence*>& rows);
  static std::vector<TensorBatch> cut(const std::vector<const Sentence*>& order, int batch_tokens);
  std::vector<const Sentence*> all() const;

  std::vector<Sentence> sentences_;
};

}  // namespace hat::train
