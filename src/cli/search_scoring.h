#pragma once

#include <memory>

#include "hat/search/objective.h"
#include "hat/search/searcher.h"
#include "search_setup.h"

namespace hat::cli {

/// Scores of one SuperTransformer: those in super/scores-<id>.jsonl, and workers for the others.
/// Holds super/search.lock, so that one call at a time pays for scores.
struct Scoring {
  explicit Scoring(const SearchSetup& setup);

  FileLock lock;
  search::ScoreStore store;
  std::unique_ptr<search::Objective> objective;
  search::Evaluator evaluator;
};

/// The algorithm's settings, from the workspace's.
search::Options search_options(const config::Workspace& workspace);

}  // namespace hat::cli
