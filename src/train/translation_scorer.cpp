#include "hat/train/translation_scorer.h"

#include <algorithm>

#include "hat/metrics/bleu.h"
#include "hat/metrics/chrf.h"
#include "hat/train/validation.h"

namespace hat::train {

TranslationScorer::TranslationScorer(model::Transformer& network, const data::TokenDataset& dataset,
                                     TranslationMetric metric, model::BeamOptions beam,
                                     std::function<std::string(const std::vector<int>&)> text_of,
                                     int batch_tokens)
    : network_(network),
      dataset_(dataset),
      metric_(metric),
      beam_(std::move(beam)),
      text_of_(std::move(text_of)),
      batch_tokens_(batch_tokens) {}

double TranslationScorer::score(const arch::Architecture& architecture, int64_t sentences) {
  network_.set_architecture(architecture);
  // Sentences of like length together; corpus scores do not depend on the order.
  std::vector<uint32_t> chosen = validation_sentences(dataset_, sentences);
  std::stable_sort(chosen.begin(), chosen.end(), [&](uint32_t a, uint32_t b) {
    return dataset_.source_length(a) < dataset_.source_length(b);
  });
  std::vector<std::string> hypotheses, references;
  std::vector<std::vector<int32_t>> batch;
  const auto translate = [&] {
    for (const auto& found : model::beam_search(network_, batch, beam_)) {
      hypotheses.push_back(found.empty() ? "" : text_of_(found.front().tokens));
    }
    batch.clear();
  };
  for (const uint32_t i : chosen) {
    const auto length = static_cast<size_t>(dataset_.source_length(i));
    if (!batch.empty() && (batch.size() + 1) * length > static_cast<size_t>(batch_tokens_)) {
      translate();
    }
    batch.push_back(dataset_.source(i).to_vector());
    references.push_back(text_of_(dataset_.target(i).to_vector()));
  }
  if (!batch.empty()) translate();
  return 100 - (metric_ == TranslationMetric::kBleu
                    ? metrics::corpus_bleu(hypotheses, {references}).score
                    : metrics::corpus_chrf(hypotheses, {references}));
}

}  // namespace hat::train
