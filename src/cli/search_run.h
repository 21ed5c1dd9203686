#pragma once

#include <memory>

#include "hat/base/progress.h"
#include "hat/search/finalists.h"
#include "hat/search/journal.h"
#include "hat/search/result.h"
#include "search_scoring.h"

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
  /// Without `records` nothing is written but scores, and no earlier front answers.
  SearchRun(const SearchSetup& setup, const SearchFlags& flags, Scoring& scoring,
            bool records = true);

  /// Scores, measures, compares; every score and measurement is on disk before the next, and the
  /// same call goes on where it was cut off.
  void run();
  void write_results() const;
  std::string text() const;
  const fs::path& directory() const { return directory_; }
  const std::vector<GoalResult>& goals() const { return goals_; }

 private:
  config::OrderedJson request() const;
  fs::path find_unfinished(const config::OrderedJson& request) const;
  bool adopt_front();
  search::Options options() const { return search_options(setup_.workspace); }
  void open_records();
  void search();
  void note_step(const search::Step& step);
  void note_finish(size_t goal);
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
  Scoring& scoring_;
  bool records_ = true;
  std::unique_ptr<search::RunJournal> journal_;
  size_t journaled_ = 0;  ///< networks of the pool that the journal has
  search::Searcher searcher_;
  std::vector<GoalResult> goals_;
  fs::path answered_from_;  ///< the earlier front that answers this call; empty: searched
  int search_evaluations_ = 0;
  double begin_ms_ = 0;
};

}  // namespace hat::cli
