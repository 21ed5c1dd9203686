#pragma once

#include <functional>
#include <memory>
#include <set>
#include <span>
#include <string>
#include <unordered_map>
#include <vector>

#include "hat/base/file.h"
#include "hat/search/problem.h"

namespace hat::search {

/// Called with the index into the batch and the loss as soon as each is known.
using ScoreSink = std::function<void(size_t index, double loss)>;

/// What is expensive: the loss of a network on data. Lower is better.
class Objective {
 public:
  virtual ~Objective() = default;
  /// Scores every candidate on the first `sentences` of a fixed validation subset (0: all of it)
  /// and reports each once, in any order. The loss must depend on the candidate and `sentences`
  /// alone.
  virtual void score(std::span<const Candidate> batch, int sentences, const ScoreSink& sink) = 0;
};

/// A plain function as an objective; for synthetic spaces and tests.
class FunctionObjective : public Objective {
 public:
  explicit FunctionObjective(std::function<double(const Genotype&)> loss)
      : loss_(std::move(loss)) {}
  void score(std::span<const Candidate> batch, int sentences, const ScoreSink& sink) override;

 private:
  std::function<double(const Genotype&)> loss_;
};

/// Losses already paid for, by network and number of sentences. With a path they are kept in a file
/// of JSON lines that only grows; a line cut short by a kill is dropped at the next opening.
class ScoreStore {
 public:
  ScoreStore() = default;
  /// `describe` gives the architecture's JSON for people who read the file; may be empty.
  explicit ScoreStore(const fs::path& path,
                      std::function<std::string(const Genotype&)> describe = {});

  const double* find(const std::string& key, int sentences) const;
  void add(const Candidate& candidate, int sentences, double loss);
  size_t size() const { return losses_.size(); }

 private:
  std::unordered_map<std::string, double> losses_;
  std::unique_ptr<LineJournal> journal_;
  std::function<std::string(const Genotype&)> describe_;
};

/// Scores candidates once: from the store when it knows them, else by the objective.
class Evaluator {
 public:
  Evaluator(Objective& objective, ScoreStore& store) : objective_(objective), store_(store) {}

  /// Fills in the losses.
  void score(std::span<Candidate> batch, int sentences);
  /// Different (network, sentences) pairs asked for: the effort of a search, the same whether it
  /// was interrupted or found some in the store.
  int asked() const { return static_cast<int>(asked_.size()); }
  /// How many of them the objective had to compute now.
  int computed() const { return computed_; }
  /// Called after each computed score.
  std::function<void()> on_score;

 private:
  Objective& objective_;
  ScoreStore& store_;
  std::set<std::pair<std::string, int>> asked_;
  int computed_ = 0;
};

}  // namespace hat::search
