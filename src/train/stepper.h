#pragma once

#include <cstdint>
#include <vector>

#include "hat/config/workspace_config.h"
#include "hat/model/loss.h"
#include "hat/model/transformer.h"
#include "hat/train/adam.h"
#include "hat/train/strategy.h"
#include "hat/train/trainer.h"
#include "hat/train/validation.h"

namespace hat::train {

/// What one update did. Losses are means over the tokens of all its paths, in nats.
struct UpdateStats {
  double loss = 0;
  double nll = 0;
  double gradient_norm = 0;    ///< before clipping, of the mean loss
  int64_t tokens = 0;          ///< target tokens of the batches, counted once
  int64_t trained_tokens = 0;  ///< the same, counted for each path that trains on them
  bool skipped = false;        ///< the gradient was not finite; nothing moved
  double forward_ms = 0;
  double backward_ms = 0;
  double optimizer_ms = 0;
};

/// Gradients and optimiser step of one update.
class Stepper {
 public:
  struct Options {
    model::DropoutRates dropout;
    double label_smoothing = 0.1;
    double clip_norm = 1.0;  ///< 0: none
    uint64_t seed = 1;
    bool whole_tensors = false;
    ExternalTeacher teacher;
  };
  Stepper(model::Transformer& network, const Strategy& strategy, Adam& adam, Options options);

  /// One update on the batches. When memory runs out, the gradients so far are dropped and the
  /// update begins again with every batch cut into twice as many parts; the cut stays for later
  /// updates. Throws kUsage when single sentences do not fit.
  UpdateStats run(int64_t update, const std::vector<TensorBatch>& batches, double rate);
  /// The same with these paths in place of the strategy's.
  UpdateStats run(int64_t update, const std::vector<Path>& paths,
                  const std::vector<TensorBatch>& batches, double rate);

  int split() const { return split_; }
  void set_split(int split) { split_ = split; }

 private:
  void accumulate(int64_t update, const std::vector<Path>& paths,
                  const std::vector<TensorBatch>& batches, UpdateStats& stats);
  void train_part(const TensorBatch& part, const std::vector<Path>& paths, model::DropoutKey key,
                  UpdateStats& stats);
  void train_path(const TensorBatch& part, const Path& path, model::DropoutKey key,
                  const model::Teacher* teacher, at::Tensor* hidden, UpdateStats& stats);
  model::Teacher predict(model::Transformer& network, const TensorBatch& part) const;

  model::Transformer& network_;
  const Strategy& strategy_;
  Adam& adam_;
  Options options_;
  int split_ = 1;
};

/// The regions that the store's gradients touch, for the optimiser; whole tensors when asked.
std::vector<Region> regions_of(const model::ParameterStore& store, bool whole_tensors);

}  // namespace hat::train
