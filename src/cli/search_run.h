#pragma once

#include <memory>

#include "hat/base/progress.h"
#include "hat/search/finalists.h"
#include "hat/search/result.h"
#include "search_setup.h"

namespace hat::cli {

/// What a search ended with, for one goal.
struct GoalResult {
  search::Finish finish;
  std::vector<search::ReportRow> rows;   ///< the winner first, then what it is compared with
  std::vector<search::Candidate> front;  ///< for a goal with a front, by rising cost
};

/// One call of hat search: the folder it writes, its records, and the steps from scoring to
/// results.
class SearchRun {
 public:
  SearchRun(const SearchSetup& setup, const SearchFlags& flags);

  /// Scores, measures, compares; every score and measurement is on disk before the next, and the
  /// same call goes on where it was cut off.
  void run();
  void write_results() const;
  std::string text() const;
  const fs::path& directory() const { return directory_; }

 private:
  config::OrderedJson request() const;
  fs::path find_unfinished(const config::OrderedJson& request) const;
  bool adopt_front();
  search::Options options() const;
  void search();
  void finish_goal(size_t goal);
  void compare(size_t goal);
  search::ReportRow row(const std::string& name, const search::Candidate& candidate, size_t goal,
                        double measured) const;
  void add_best(const std::string& name, std::vector<search::Candidate> candidates, size_t goal);
  int measured_cost(size_t goal) const;
  int full_sentences() const { return 0; }
  config::OrderedJson goal_json(size_t goal) const;

  const SearchSetup& setup_;
  const SearchFlags& flags_;
  fs::path directory_;
  std::unique_ptr<FileLock> lock_;
  std::unique_ptr<search::ScoreStore> store_;
  std::unique_ptr<search::Objective> objective_;
  std::unique_ptr<search::Evaluator> evaluator_;
  std::unique_ptr<search::Searcher> searcher_;
  std::vector<GoalResult> goals_;
  fs::path answered_from_;  ///< the earlier front that answers this call; empty: searched
  int search_evaluations_ = 0;
  double begin_ms_ = 0;
};

}  // namespace hat::cli
