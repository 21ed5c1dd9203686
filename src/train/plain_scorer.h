#pragma once

#include <ATen/core/Tensor.h>

#include <string>

#include "hat/model/transformer.h"
#include "hat/train/validation.h"

namespace hat::train {

/// The yardstick of scoring: a whole validation pass for every network, as the original and fairseq
/// compute it. Padded positions are computed too, nothing is kept from one network to the next,
/// logits and log-probabilities of a batch exist whole, all in fp32. Post-norm networks only.
class PlainScorer {
 public:
  /// Reads the weights of `super`, which must outlive this; its architecture is set by score().
  explicit PlainScorer(model::Transformer& super);
  /// Mean label-smoothed loss a target token, in nats.
  double score(const arch::Architecture& architecture, const ValidationSet& set,
               double label_smoothing);

 private:
  at::Tensor weight(const std::string& name, int64_t rows, int64_t cols) const;
  at::Tensor vector(const std::string& name, int64_t rows) const;
  at::Tensor projection(const std::string& name, int part, const at::Tensor& x, int64_t qkv) const;
  at::Tensor embed(const std::string& table, const at::Tensor& tokens, int64_t dim,
                   const at::Tensor& positions, double scale) const;
  at::Tensor attend(const std::string& name, const at::Tensor& x, const at::Tensor& memory,
                    const at::Tensor& mask, int64_t qkv, int64_t heads) const;
  at::Tensor norm(const std::string& name, const at::Tensor& x) const;
  at::Tensor feed_forward(const std::string& name, const at::Tensor& x, int64_t ffn) const;
  at::Tensor hidden(const TensorBatch& batch) const;

  model::Transformer& super_;
  at::Tensor encoder_positions_, decoder_positions_;
};

}  // namespace hat::train
