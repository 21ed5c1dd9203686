#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "hat/edge/translator.h"

namespace hat::edge {

/// One continuation of one live hypothesis.
struct Candidate {
  float score = 0;  ///< cumulative log-probability
  int32_t token = 0;
  int32_t beam = 0;  ///< the live hypothesis that it continues
};

/// Best first; the order is total, so results do not depend on how candidates were found.
inline bool better(const Candidate& a, const Candidate& b) {
  if (a.score != b.score) return a.score > b.score;
  if (a.beam != b.beam) return a.beam < b.beam;
  return a.token < b.token;
}

/// The search of one sentence. Hypotheses are a tree: each step stores a token, the parent and the
/// score of every live one; nothing is copied when beams change places. Everything is allocated in
/// reset(), from the bounds known then.
///
/// The rules are those of fairseq's SequenceGenerator (hat-spec section 7), except that there are
/// no place-holders of probability 0: the first step and a forced prefix have one live hypothesis.
class BeamSearch {
 public:
  void reset(int beam, int max_length, int min_length, double length_penalty,
             std::span<const int> prefix);

  bool done() const { return done_; }
  int step() const { return step_; }
  /// Hypotheses to be continued in this step, and the token that each has to be fed with.
  int live() const { return live_; }
  int last_token(int beam) const;
  float score(int beam) const;
  /// The only token that this step may choose, or -1: prefix, or the end at the greatest length.
  int forced_token() const;
  bool end_allowed() const { return step_ >= min_length_; }
  /// Candidates that a step can make use of.
  int wanted() const { return 2 * beam_; }

  /// The cache slot that holds position `t` of live hypothesis `beam`, for all t <= step().
  /// Hypotheses share the slots of their common past; a slot that none refers to any more is used
  /// again, the lowest first, so that the slots in use stay few and together: at most
  /// beam * (step() + 1), usually little more than step().
  std::span<const int32_t> slots(int beam) const;

  /// Takes the best candidates, best first, and goes to the next step.
  void advance(std::span<const Candidate> candidates);

  /// Finished hypotheses, best first, without alignments. `paths` gets, of each, which live
  /// hypothesis it was at every step.
  std::vector<Hypothesis> results(int n_best,
                                  std::vector<std::vector<int32_t>>* paths = nullptr) const;

 private:
  struct Finished {
    int step;  ///< the step that chose the end
    int beam;  ///< the live hypothesis it ended
    float cumulative;
    double score;
  };
  size_t at(int step, int beam) const {
    return static_cast<size_t>(step) * static_cast<size_t>(beam_) + static_cast<size_t>(beam);
  }
  void finish(const Candidate& candidate);
  void keep(std::span<const Candidate> candidates);
  void give_slots();

  int beam_ = 1;
  int max_length_ = 0;
  int min_length_ = 0;
  double length_penalty_ = 1;
  std::vector<int> prefix_;
  int step_ = 0;
  int live_ = 1;
  bool done_ = false;
  // Entry (t, b) describes live hypothesis b before step t; (0, 0) is the start symbol.
  std::vector<int32_t> tokens_;
  std::vector<int32_t> parents_;
  std::vector<float> scores_;
  std::vector<int32_t> slots_;       // [beam, max_length + 2] of the current step
  std::vector<int32_t> next_slots_;  // the same, being built
  std::vector<int32_t> slot_used_;   // by slot: the last step that it was needed for
  std::vector<Finished> finished_;
};

}  // namespace hat::edge
