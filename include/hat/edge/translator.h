#pragma once

#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "hat/edge/model.h"

namespace hat::edge {

/// How a sentence is decoded. Beam search is fairseq's (hat-spec section 7): 2 x beam candidates a
/// step, a hypothesis is finished when its end is among the first `beam`, a sentence when `beam` of
/// its hypotheses are.
struct TranslateOptions {
  int beam = 5;                 ///< 1 is greedy search
  int n_best = 1;               ///< at most beam
  double length_penalty = 1.0;  ///< score = sum of log-probabilities / length^penalty
  int min_length = 1;           ///< tokens without the end
  double max_length_a = 0;      ///< at most a * source length + b tokens without the end,
  int max_length_b = 200;       ///< and never more than the model's positions
  double max_length_ratio = 0;  ///< nor more than ratio * source length + 10; 0: no such limit
  double unknown_penalty = 0;   ///< taken from the log-probability of the unknown token
  bool alignment = false;
  bool shortlist = true;  ///< use the model's shortlist if it has one
};

/// One sentence as token ids. `source` ends in eos (2); one without is given it. Ids out of range
/// are refused; a source longer than the model's positions is cut, keeping the end token.
struct Request {
  std::vector<int> source;
  std::vector<int> prefix;  ///< tokens that every hypothesis starts with
};

struct Hypothesis {
  std::vector<int> tokens;               ///< with the final eos
  float score = 0;                       ///< normalised by length; higher is better
  std::vector<float> positional_scores;  ///< log-probability of each token
  /// (source position, target position) from 0, the end tokens left out; with options.alignment.
  std::vector<std::pair<int, int>> alignment;
};

/// Where the time of the last call went. Wall time; CPU time of all threads.
struct Timing {
  double encoder_ms = 0;  ///< encoder and cross-attention keys and values
  double decoder_ms = 0;
  double encoder_cpu_ms = 0;
  double decoder_cpu_ms = 0;
  int64_t steps = 0;          ///< decoder steps run
  int64_t target_tokens = 0;  ///< tokens of the best hypotheses, end included
  /// The same times in pieces: the encoder, then every decoder step (the last with the collecting
  /// of results). Short pieces are what a busy machine leaves undisturbed.
  std::vector<double> piece_ms, piece_cpu_ms;
  size_t encoder_pieces = 1;  ///< how many of them come first and are encoder runs
};

/// Runs one model. Not for use by two threads at once; translators share their model. Memory is
/// taken when the first sentence of a size arrives, bounded by the options, the model's positions
/// and the batch, and kept.
class Translator {
 public:
  static Translator open(const fs::path& path, int threads = 1);
  explicit Translator(std::shared_ptr<const Model> model, int threads = 1);
  ~Translator();
  Translator(Translator&&) noexcept;
  Translator& operator=(Translator&&) noexcept;

  /// At most options.n_best hypotheses, best first.
  std::vector<Hypothesis> translate(const std::vector<int>& source,
                                    const TranslateOptions& options = {});
  /// All at once; the same results as one by one, to the bit. Best sorted by length: several
  /// threads divide a large batch among themselves, sentence by sentence.
  std::vector<std::vector<Hypothesis>> translate_batch(std::span<const Request> requests,
                                                       const TranslateOptions& options = {});
  /// Teacher forcing: the logits [target.size(), vocabulary.target] that follow each prefix of
  /// eos + target, so row t predicts target[t]. Computed step by step as in translation.
  std::vector<float> logits(const std::vector<int>& source, const std::vector<int>& target);

  const Model& model() const;
  int threads() const;
  const Timing& timing() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// "0-0 1-2": source-target pairs as Moses and fast_align write them.
std::string moses_alignment(const std::vector<std::pair<int, int>>& alignment);

}  // namespace hat::edge
