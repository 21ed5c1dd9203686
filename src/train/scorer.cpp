#include "hat/train/scorer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "hat/base/clock.h"
#include "hat/base/memory.h"
#include "hat/model/compute.h"

namespace hat::train {
namespace {

// Memory for kept outputs of encoders, and as much for decoders: a share of what is free, since
// several workers do the same, between two limits.
constexpr double kKeptShare = 0.08;
constexpr double kLeastKeptBytes = 64e6, kMostKeptBytes = 1e9;
// Validation subsets that are kept prepared.
constexpr size_t kSubsets = 4;

template <class Layer>
size_t shared_layers(const std::vector<Layer>& a, const std::vector<Layer>& b) {
  size_t n = 0;
  while (n < a.size() && n < b.size() && a[n] == b[n]) ++n;
  return n;
}

double bytes_to_keep() {
  const double free = static_cast<double>(available_memory().value_or(int64_t{1} << 32));
  return std::clamp(kKeptShare * free, kLeastKeptBytes, kMostKeptBytes);
}

/// Drops results from the end until the others fit; the first stays in any case.
template <class Result>
void drop_oldest(std::list<Result>& results, double bytes) {
  double total = 0;
  for (auto it = results.begin(); it != results.end();) {
    total += it->bytes;
    it = it != results.begin() && total > bytes ? results.erase(it) : std::next(it);
  }
}

/// What the encoder's outputs for all batches take.
double encoder_bytes(const arch::Architecture& architecture, const ValidationSet& set) {
  double rows = 0;
  for (const TensorBatch& batch : set.batches()) rows += static_cast<double>(batch.source.numel());
  return rows * architecture.encoder_embed_dim * sizeof(float) *
         static_cast<double>(architecture.encoder.size() + 1);
}

double bytes_of(const model::EncoderOutput& encoded) {
  double bytes = static_cast<double>(encoded.output.nbytes());
  for (const at::Tensor& layer : encoded.layers) bytes += static_cast<double>(layer.nbytes());
  return bytes;
}

}  // namespace

Scorer::Scorer(model::Transformer& network, const data::TokenDataset& dataset,
               double label_smoothing, int batch_tokens)
    : Scorer(
          network,
          [&dataset, batch_tokens](int64_t sentences) {
            return ValidationSet(dataset, sentences, batch_tokens);
          },
          label_smoothing) {}

Scorer::Scorer(model::Transformer& network, std::function<ValidationSet(int64_t)> validation,
               double label_smoothing)
    : network_(network),
      validation_(std::move(validation)),
      label_smoothing_(label_smoothing),
      bytes_to_keep_(bytes_to_keep()) {}

void Scorer::keep_at_most(double bytes) { bytes_to_keep_ = bytes; }

const ValidationSet& Scorer::subset(int64_t sentences) {
  for (auto it = subsets_.begin(); it != subsets_.end(); ++it) {
    if (it->first != sentences) continue;
    subsets_.splice(subsets_.begin(), subsets_, it);
    return subsets_.front().second;
  }
  subsets_.emplace_front(sentences, validation_(sentences));
  if (subsets_.size() > kSubsets) subsets_.pop_back();
  return subsets_.front().second;
}

const Scorer::Encoded& Scorer::encode(const arch::Architecture& architecture, int64_t sentences,
                                      const ValidationSet& set) {
  const Encoded* best = nullptr;
  size_t shared = 0;
  for (auto it = encoded_.begin(); it != encoded_.end(); ++it) {
    if (it->sentences != sentences || it->width != architecture.encoder_embed_dim) continue;
    if (it->layers == architecture.encoder) {
      encoded_.splice(encoded_.begin(), encoded_, it);
      return encoded_.front();
    }
    const size_t n = shared_layers(it->layers, architecture.encoder);
    if (n > shared) {
      best = &*it;
      shared = n;
    }
  }
  Encoded fresh;
  fresh.sentences = sentences;
  fresh.width = architecture.encoder_embed_dim;
  fresh.layers = architecture.encoder;
  fresh.number = ++encoders_;
  for (size_t i = 0; i < set.batches().size(); ++i) {
    const at::Tensor& source = set.batches()[i].source;
    fresh.batches.push_back(best ? network_.encode_on(source, best->batches[i], shared)
                                 : network_.encode(source));
    fresh.bytes += bytes_of(fresh.batches.back());
  }
  encoded_.push_front(std::move(fresh));
  drop_oldest(encoded_, bytes_to_keep_);
  return encoded_.front();
}

std::pair<const Scorer::Decoded*, size_t> Scorer::known_decoder(
    const arch::Architecture& architecture, const Encoded& encoded) const {
  const Decoded* best = nullptr;
  size_t shared = 0;
  for (const Decoded& one : decoded_) {
    if (one.encoded != encoded.number || one.width != architecture.decoder_embed_dim) continue;
    const size_t n = shared_layers(one.layers, architecture.decoder);
    if (n <= shared) continue;
    best = &one;
    shared = n;
  }
  return {best, shared};
}

Score Scorer::score(const arch::Architecture& architecture, int64_t sentences) {
  c10::NoGradGuard no_grad;
  const double begin = wall_ms();
  network_.set_architecture(architecture);
  const ValidationSet& set = subset(sentences);
  // A set whose results would fill the memory goes through batch by batch.
  const Encoded* encoded = encoder_bytes(architecture, set) <= bytes_to_keep_
                               ? &encode(architecture, sentences, set)
                               : nullptr;
  const auto [known, layers] =
      encoded ? known_decoder(architecture, *encoded) : std::pair<const Decoded*, size_t>{};
  Decoded fresh{
      encoded ? encoded->number : 0, architecture.decoder_embed_dim, architecture.decoder, {}, 0};
  bool keep = encoded != nullptr;
  model::LossSums sums;
  const model::LossOptions options{.label_smoothing = label_smoothing_};
  for (size_t i = 0; i < set.batches().size(); ++i) {
    const TensorBatch& batch = set.batches()[i];
    const model::EncoderOutput source =
        encoded ? encoded->batches[i] : network_.encode(batch.source);
    std::vector<at::Tensor> inner;
    if (known) inner = known->batches[i];
    const at::Tensor hidden = known ? network_.decode_on(batch.prev_output, source, &inner, layers)
                                    : network_.decode(batch.prev_output, source, {}, &inner);
    sums += model::compute_loss(network_, hidden, batch.target, options);
    for (const at::Tensor& layer : inner) fresh.bytes += static_cast<double>(layer.nbytes());
    keep = keep && fresh.bytes <= bytes_to_keep_;
    if (keep) {
      fresh.batches.push_back(std::move(inner));
    } else {
      fresh.batches.clear();
    }
  }
  if (keep) {
    decoded_.push_front(std::move(fresh));
    drop_oldest(decoded_, bytes_to_keep_);
  }
  const double tokens = static_cast<double>(sums.tokens);
  return {sums.loss / tokens, sums.nll / tokens, sums.tokens, wall_ms() - begin};
}

}  // namespace hat::train
