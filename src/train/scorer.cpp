#include "hat/train/scorer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include "hat/base/clock.h"
#include "hat/base/strings.h"

namespace hat::train {
namespace {

// Memory for kept encoder results, and the number of validation subsets that are kept prepared.
constexpr double kEncodedBytes = 512e6;
constexpr size_t kSubsets = 4;

// Everything that the encoder's states depend on, and nothing of the decoder.
std::string encoder_text(const arch::Architecture& architecture, int64_t sentences) {
  std::string text = str(sentences, ":", architecture.encoder_embed_dim);
  for (const arch::EncoderLayer& layer : architecture.encoder) {
    text += str("|", layer.ffn_dim, ",", layer.heads, ",", layer.qkv_dim);
  }
  return text;
}

double bytes_of(const model::EncoderOutput& encoded) {
  double bytes = static_cast<double>(encoded.output.nbytes());
  for (const at::Tensor& layer : encoded.layers) bytes += static_cast<double>(layer.nbytes());
  return bytes;
}

}  // namespace

Scorer::Scorer(model::Transformer& network, const data::TokenDataset& dataset,
               double label_smoothing, int batch_tokens)
    : network_(network),
      dataset_(dataset),
      label_smoothing_(label_smoothing),
      batch_tokens_(batch_tokens) {}

const ValidationSet& Scorer::subset(int64_t sentences) {
  for (auto it = subsets_.begin(); it != subsets_.end(); ++it) {
    if (it->first != sentences) continue;
    subsets_.splice(subsets_.begin(), subsets_, it);
    return subsets_.front().second;
  }
  subsets_.emplace_front(sentences, ValidationSet(dataset_, sentences, batch_tokens_));
  if (subsets_.size() > kSubsets) subsets_.pop_back();
  return subsets_.front().second;
}

const Scorer::Encoded& Scorer::encode(const arch::Architecture& architecture, int64_t sentences,
                                      const ValidationSet& set) {
  const std::string text = encoder_text(architecture, sentences);
  for (auto it = encoded_.begin(); it != encoded_.end(); ++it) {
    if (it->encoder != text) continue;
    encoded_.splice(encoded_.begin(), encoded_, it);
    return encoded_.front();
  }
  Encoded fresh;
  fresh.encoder = text;
  for (const TensorBatch& batch : set.batches()) {
    fresh.batches.push_back(network_.encode(batch.source));
    fresh.bytes += bytes_of(fresh.batches.back());
  }
  encoded_.push_front(std::move(fresh));
  double total = 0;
  for (auto it = encoded_.begin(); it != encoded_.end();) {
    total += it->bytes;
    it = it != encoded_.begin() && total > kEncodedBytes ? encoded_.erase(it) : std::next(it);
  }
  return encoded_.front();
}

Score Scorer::score(const arch::Architecture& architecture, int64_t sentences) {
  c10::NoGradGuard no_grad;
  const double begin = wall_ms();
  network_.set_architecture(architecture);
  const ValidationSet& set = subset(sentences);
  const Encoded& encoded = encode(architecture, sentences, set);
  model::LossSums sums;
  const model::LossOptions options{.label_smoothing = label_smoothing_};
  for (size_t i = 0; i < set.batches().size(); ++i) {
    const TensorBatch& batch = set.batches()[i];
    const at::Tensor hidden = network_.decode(batch.prev_output, encoded.batches[i]);
    sums += model::compute_loss(network_, hidden, batch.target, options);
  }
  const double tokens = static_cast<double>(sums.tokens);
  return {sums.loss / tokens, sums.nll / tokens, sums.tokens, wall_ms() - begin};
}

}  // namespace hat::train
