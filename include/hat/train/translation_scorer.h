#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/data/token_dataset.h"
#include "hat/model/beam_search.h"
#include "hat/model/transformer.h"

namespace hat::train {

/// What the translations of a validation set are scored with.
enum class TranslationMetric { kBleu, kChrf };

/// Scores SubTransformers of a trained SuperTransformer by translating a fixed part of the
/// validation set with beam search: 100 - corpus BLEU (sacreBLEU's defaults) or 100 - chrF2, so
/// that less is better, as with a loss. The references are the validation set's own target pieces
/// put back to text. Tens of times the cost of Scorer.
class TranslationScorer {
 public:
  /// `text_of` puts target pieces (a final eos among them) back to text.
  TranslationScorer(model::Transformer& network, const data::TokenDataset& dataset,
                    TranslationMetric metric, model::BeamOptions beam,
                    std::function<std::string(const std::vector<int>&)> text_of,
                    int batch_tokens = 2048);

  /// On `sentences` validation sentences, evenly spaced over the set (0: all). Throws kConfig when
  /// the architecture does not fit in the network.
  double score(const arch::Architecture& architecture, int64_t sentences);

 private:
  model::Transformer& network_;
  const data::TokenDataset& dataset_;
  TranslationMetric metric_;
  model::BeamOptions beam_;
  std::function<std::string(const std::vector<int>&)> text_of_;
  int batch_tokens_;
};

}  // namespace hat::train
