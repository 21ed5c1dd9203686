#pragma once

#include <cstdint>
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
/// batches are prepared once. Encoder results are kept for the last few encoders: candidates of a
/// search often share theirs, and the decoder is the smaller half of the work. The same network,
/// sentences and number of threads give the same digits, whether the encoder was kept or not.
class Scorer {
 public:
  Scorer(model::Transformer& network, const data::TokenDataset& dataset, double label_smoothing,
         int batch_tokens = 4096);

  /// On `sentences` validation sentences, evenly spaced over the set (0: all). Throws kConfig when
  /// the architecture does not fit in the network.
  Score score(const arch::Architecture& architecture, int64_t sentences);

 private:
  struct Encoded {
    std::string encoder;  ///< canonical text of the encoder half
    std::vector<model::EncoderOutput> batches;
    double bytes = 0;
  };
  const ValidationSet& subset(int64_t sentences);
  const Encoded& encode(const arch::Architecture& architecture, int64_t sentences,
                        const ValidationSet& set);

  model::Transformer& network_;
  const data::TokenDataset& dataset_;
  double label_smoothing_;
  int batch_tokens_;
  std::list<std::pair<int64_t, ValidationSet>> subsets_;
  std::list<Encoded> encoded_;  ///< most recent first
};

}  // namespace hat::train
