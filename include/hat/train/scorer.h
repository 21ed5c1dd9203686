#pragma once

#include <cstdint>
#include <functional>
#include <list>
#include <string>
#include <utility>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/data/token_dataset.h"
#include "hat/model/transformer.h"
#include "hat/train/validation.h"

namespace hat::train {

/// Validation loss of an architecture with the weights it inherits.
struct Score {
  double loss = 0;  ///< label-smoothed, a target token, in nats
  double nll = 0;   ///< plain, a target token, in nats
  int64_t tokens = 0;
  double ms = 0;  ///< time it took
};

/// Scores SubTransformers of a trained SuperTransformer on a fixed part of the validation set. The
/// batches are prepared once. Outputs of encoder and decoder layers are kept for the last few
/// networks: candidates of a search share whole encoders and leading layers, most when they come
/// sorted by their layers. The same network, sentences and
/// number of threads give the same digits, whether something was kept or not.
class Scorer {
 public:
  Scorer(model::Transformer& network, const data::TokenDataset& dataset, double label_smoothing,
         int batch_tokens = 1024);
  /// `validation` makes the batches of so many sentences (0: all).
  Scorer(model::Transformer& network, std::function<ValidationSet(int64_t sentences)> validation,
         double label_smoothing);

  /// Memory for outputs of encoder layers, and as much for those of decoder layers; a share of what
  /// is free when not called. A set that takes more goes through batch by batch, and nothing is
  /// kept.
  void keep_at_most(double bytes);

  /// On `sentences` validation sentences, evenly spaced over the set (0: all). Throws kConfig when
  /// the architecture does not fit in the network.
  Score score(const arch::Architecture& architecture, int64_t sentences);

 private:
  struct Encoded {
    int64_t sentences = 0;
    int width = 0;
    std::vector<arch::EncoderLayer> layers;
    std::vector<model::EncoderOutput> batches;
    double bytes = 0;
    uint64_t number = 0;  ///< names this result
  };
  /// Inner states of every batch, as Transformer::decode() gives them.
  struct Decoded {
    uint64_t encoded = 0;  ///< Encoded::number
    int width = 0;
    std::vector<arch::DecoderLayer> layers;
    std::vector<std::vector<at::Tensor>> batches;
    double bytes = 0;
  };
  const ValidationSet& subset(int64_t sentences);
  const Encoded& encode(const arch::Architecture& architecture, int64_t sentences,
                        const ValidationSet& set);
  /// What shares the most leading decoder layers with `architecture`, and how many; null: none.
  std::pair<const Decoded*, size_t> known_decoder(const arch::Architecture& architecture,
                                                  const Encoded& encoded) const;

  model::Transformer& network_;
  std::function<ValidationSet(int64_t)> validation_;
  double label_smoothing_;
  double bytes_to_keep_;
  std::list<std::pair<int64_t, ValidationSet>> subsets_;
  std::list<Encoded> encoded_;  ///< most recent first
  std::list<Decoded> decoded_;  ///< most recent first
  uint64_t encoders_ = 0;
};

}  // namespace hat::train
