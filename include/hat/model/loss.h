#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>

#include "hat/model/transformer.h"

namespace hat::model {

/// Sums over the target tokens that are not padding, in nats.
struct LossSums {
  double loss = 0;  ///< what is minimised
  double nll = 0;   ///< plain negative log-likelihood of the true tokens
  int64_t tokens = 0;

  LossSums& operator+=(const LossSums& other) {
    loss += other.loss;
    nll += other.nll;
    tokens += other.tokens;
    return *this;
  }
};

/// Soft targets from another network over the same vocabulary: softmax(logits / temperature).
/// `network` may be the student's own SuperTransformer: only its output table is read, and as many
/// columns of it as `hidden` is wide.
struct Teacher {
  Transformer* network = nullptr;
  at::Tensor hidden;  ///< decoder states [batch, length, D of the teacher], no gradient
  double weight = 1;  ///< share of the loss: 1 ignores the true tokens
  double temperature = 1;
};

struct LossOptions {
  /// eps of (1 - eps) * nll + (eps / V) * sum over the vocabulary of -log p (hat-spec section 3).
  double label_smoothing = 0.1;
  /// The gradient of the summed loss is multiplied by this.
  double gradient_scale = 1;
  /// Mixes in temperature^2 * cross entropy to the teacher (Hinton et al. 2015) when set.
  const Teacher* teacher = nullptr;
};

/// Loss of decoder states [batch, length, D] against targets, int64 [batch, length] on the CPU.
/// Logits exist for a chunk of tokens at a time only.
LossSums compute_loss(Transformer& network, const at::Tensor& hidden, const at::Tensor& target,
                      const LossOptions& options = {});
/// The same, and adds the gradient to the network's gradient buffer: through the output projection
/// in the same sweep, then back through decoder and encoder to the embeddings.
LossSums backward_loss(Transformer& network, const at::Tensor& hidden, const at::Tensor& target,
                       const LossOptions& options = {});
/// Only as far as `hidden`: gradient of the output table added, d loss / d hidden returned, for
/// several losses on one set of states or a gradient that ends here.
LossSums backward_loss_to_hidden(Transformer& network, const at::Tensor& hidden,
                                 const at::Tensor& target, const LossOptions& options,
                                 at::Tensor* hidden_gradient);

}  // namespace hat::model
