#pragma once

#include <string>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/arch/search_space.h"
#include "hat/config/workspace.h"
#include "hat/metrics/ranking.h"

namespace hat::train {

struct RankCheckOptions {
  int architectures = 16;
  /// Updates of each training from scratch; 0: as many as the SuperTransformer had.
  int updates = 0;
  std::string command;  ///< for records
};

/// One architecture, scored both ways on the same validation sentences.
struct RankedNetwork {
  arch::Architecture architecture;
  double cost = 0;            ///< multiply-adds a token, without the output projection
  double inherited_loss = 0;  ///< with the SuperTransformer's weights, untouched
  double scratch_loss = 0;    ///< after training alone from random weights
};

struct RankCheck {
  std::vector<RankedNetwork> networks;  ///< by rising cost
  int64_t updates = 0;
  double minutes = 0;  ///< of all trainings from scratch
  double tau = 0;
  metrics::Interval interval;  ///< 95 %, bootstrap over architectures
  double mean_gap = 0;         ///< inherited less scratch loss, mean, in nats a token

  /// In words: whether a search may trust scores of inherited weights.
  std::string verdict() const;
  /// Table, scatter plot, tau with its interval, and the verdict.
  std::string to_text() const;
  config::OrderedJson to_json() const;
};

/// Trains a set of architectures, stratified by cost from the smallest to the largest, each alone
/// from random weights, and compares their validation losses with those of the inherited weights. A
/// run that was stopped goes on; networks already trained with the same settings are not trained
/// again (super/rank_check/). Li and Talwalkar 2019 and Yu et al. 2020 ("Evaluating the search
/// phase of NAS") show why the check is needed.
RankCheck rank_check(const config::Workspace& workspace, const RankCheckOptions& options);

/// `count` architectures, the first the smallest, the last the largest, the others drawn so that
/// their costs are spread evenly between; no two alike. Fewer when the space holds fewer.
std::vector<arch::Architecture> stratified(const arch::SearchSpace& space, int count,
                                           uint64_t seed);

}  // namespace hat::train
