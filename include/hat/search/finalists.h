#pragma once

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "hat/search/searcher.h"

namespace hat::search {

/// Real values of one cost, in the order of the candidates: latencies measured on a device.
using Measure = std::function<std::vector<double>(const std::vector<Candidate>&)>;

struct FinishOptions {
  int finalists = 5;   ///< measured in each round
  int shortlist = 20;  ///< scored on `sentences` before that
  int sentences = 0;   ///< of the last scoring; 0: all
  int rounds = 4;
  /// Networks scored anew in each round: larger variants of the best that leave some of the budget,
  /// and, when measurements show that the predictor is off, as many near the corrected budget. 0:
  /// none, the pool decides.
  int extra_evaluations = 24;
  /// A network keeps the budget when its measured value does with this share to spare: what
  /// measuring again may differ by.
  double margin = 0.02;
  /// Below this share of the budget unused there is nothing to fill.
  double slack = 0.01;
  /// Losses nearer than this share count as equal: then the fuller network wins. Inherited weights
  /// on a thousand sentences do not tell losses this near apart, and the larger of two gains more
  /// from finetuning.
  double tie = 1e-3;
};

struct Finalist {
  Candidate candidate;     ///< loss on FinishOptions::sentences
  double measured = 0;     ///< NaN: not measured
  bool keeps = false;      ///< by measurement, or by prediction where nothing is measured
  bool confirmed = false;  ///< `measured` is what Finisher::finish's `confirm` gave
};

struct Finish {
  std::vector<Finalist> finalists;  ///< by rising loss
  int winner = -1;  ///< index into finalists; -1: none keeps the budget by measurement
  /// Median of measured over predicted; 1 when nothing was measured.
  double bias = 1;
  bool measured = false;
};

/// Ends a search: the best networks of a goal are scored on more sentences, then measured; when the
/// predictor proves off, the limit is corrected by what was measured, more networks near it are
/// scored, and the best of those measured, for a few rounds. `measured_cost` is the index of the
/// cost that `measure` gives; without `measure` the predicted costs decide.
///
/// The best of several noisy measurements is biased: whoever was measured too fast wins. So a
/// winner has to keep the budget in `confirm` too, which measures again and knows better.
class Finisher {
 public:
  Finisher(Searcher& searcher, Evaluator& evaluator, FinishOptions options)
      : searcher_(searcher), evaluator_(evaluator), options_(options) {}
  Finish finish(size_t goal, int measured_cost, const Measure& measure, const Genotype& anchor,
                const Measure& confirm = {});

 private:
  std::vector<Candidate> shortlist(const std::vector<Limit>& limits);
  int choose(const std::vector<Finalist>& finalists, int measured_cost,
             const std::vector<Limit>& limits) const;
  void confirm_winner(Finish& finish, int measured_cost, const std::vector<Limit>& limits,
                      double budget, const Measure& confirm,
                      std::map<std::string, Finalist>& known) const;

  Searcher& searcher_;
  Evaluator& evaluator_;
  FinishOptions options_;
};

}  // namespace hat::search
