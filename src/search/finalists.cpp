#include "hat/search/finalists.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hat/base/stats.h"

namespace hat::search {
namespace {

constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

Limit* limit_on(std::vector<Limit>& limits, int cost) {
  for (Limit& limit : limits) {
    if (limit.cost == cost) return &limit;
  }
  return nullptr;
}

/// Measured over predicted, in steps of half a percent: smaller differences are noise, and must not
/// send two searches with the same seed different ways. Where some were measured twice, theirs
/// alone: the others' are what luck made of them.
double bias_of(const std::map<std::string, Finalist>& known, int cost) {
  std::vector<double> ratios, confirmed;
  for (const auto& [key, finalist] : known) {
    if (std::isnan(finalist.measured)) continue;
    ratios.push_back(finalist.measured / finalist.candidate.costs[cost]);
    if (finalist.confirmed) confirmed.push_back(ratios.back());
  }
  if (!confirmed.empty()) ratios = confirmed;
  return ratios.empty() ? 1 : std::round(median(ratios) * 200) / 200;
}

}  // namespace

/// The best networks within the limits, scored on more sentences, by rising loss.
std::vector<Candidate> Finisher::shortlist(const std::vector<Limit>& limits) {
  std::vector<Candidate> kept;
  for (const Candidate& candidate : searcher_.pool()) {
    if (keeps(candidate.costs, limits)) kept.push_back(candidate);
  }
  const auto by_loss = [](const Candidate& a, const Candidate& b) { return a.loss < b.loss; };
  std::stable_sort(kept.begin(), kept.end(), by_loss);
  if (static_cast<int>(kept.size()) > options_.shortlist) kept.resize(options_.shortlist);
  evaluator_.score(kept, options_.sentences);
  std::stable_sort(kept.begin(), kept.end(), by_loss);
  return kept;
}

/// The finalist of least loss that keeps the budget; of those with nearly the same, the fullest.
int Finisher::choose(const std::vector<Finalist>& finalists, int measured_cost,
                     const std::vector<Limit>& limits) const {
  int best = -1;
  for (size_t i = 0; i < finalists.size(); ++i) {
    if (!finalists[i].keeps) continue;
    if (best < 0 || finalists[i].candidate.loss < finalists[best].candidate.loss) {
      best = static_cast<int>(i);
    }
  }
  if (best < 0 || limits.empty()) return best;
  const auto used = [&](const Finalist& finalist) {
    if (limits[0].cost == measured_cost && !std::isnan(finalist.measured)) return finalist.measured;
    return finalist.candidate.costs[limits[0].cost];
  };
  const double least = finalists[best].candidate.loss;
  const double tolerated = least + options_.tie * std::abs(least);
  for (size_t i = 0; i < finalists.size(); ++i) {
    if (!finalists[i].keeps || finalists[i].candidate.loss > tolerated) continue;
    if (used(finalists[i]) > used(finalists[best])) best = static_cast<int>(i);
  }
  return best;
}

/// Confirms the winner, and the next one where it fails, until one is left or none.
void Finisher::confirm_winner(Finish& finish, int measured_cost, const std::vector<Limit>& limits,
                              double budget, const Measure& confirm,
                              std::map<std::string, Finalist>& known) const {
  while (finish.winner >= 0 && !finish.finalists[finish.winner].confirmed) {
    Finalist& winner = finish.finalists[finish.winner];
    winner.measured = confirm({winner.candidate})[0];
    winner.keeps = winner.measured * (1 + options_.margin) <= budget;
    winner.confirmed = true;
    known[winner.candidate.key] = winner;
    finish.winner = choose(finish.finalists, measured_cost, limits);
  }
}

Finish Finisher::finish(size_t goal, int measured_cost, const Measure& measure,
                        const Genotype& anchor, const Measure& confirm) {
  const std::vector<Limit> asked = searcher_.goals()[goal].limits;
  std::vector<Limit> limits = asked;
  Limit* limit = limit_on(limits, measured_cost);
  const double budget = limit ? limit->at_most : std::numeric_limits<double>::infinity();
  std::map<std::string, Finalist> known;
  Finish result;
  for (int round = 0; round < options_.rounds; ++round) {
    // What a budget leaves unused is offered to the best networks first.
    if (options_.extra_evaluations > 0) searcher_.grow(goal, options_.extra_evaluations);
    std::vector<Candidate> wanted;
    for (Candidate& candidate : shortlist(limits)) {
      if (static_cast<int>(wanted.size()) >= options_.finalists) break;
      if (!known.count(candidate.key)) wanted.push_back(std::move(candidate));
    }
    const std::vector<double> values = measure ? measure(wanted) : std::vector<double>();
    for (size_t i = 0; i < wanted.size(); ++i) {
      Finalist finalist;
      finalist.measured = measure ? values[i] : kNotMeasured;
      finalist.keeps = !measure || finalist.measured * (1 + options_.margin) <= budget;
      finalist.candidate = std::move(wanted[i]);
      known[finalist.candidate.key] = finalist;
    }
    result.finalists.clear();
    for (const auto& [key, finalist] : known) result.finalists.push_back(finalist);
    std::stable_sort(
        result.finalists.begin(), result.finalists.end(),
        [](const Finalist& a, const Finalist& b) { return a.candidate.loss < b.candidate.loss; });
    result.winner = choose(result.finalists, measured_cost, asked);
    if (measure && confirm) {
      confirm_winner(result, measured_cost, asked, budget, confirm, known);
    }
    result.measured = static_cast<bool>(measure);
    if (!measure || !limit) break;
    result.bias = bias_of(known, measured_cost);
    if (result.winner >= 0) {
      const double left = 1 - result.finalists[result.winner].measured / budget;
      if (left <= options_.margin + options_.slack) break;
    }
    const double corrected = budget / (result.bias * (1 + options_.margin));
    if (wanted.empty() && std::abs(corrected / limit->at_most - 1) < 1e-3) break;
    limit->at_most = corrected;
    if (!keeps(searcher_.costs().costs(anchor), limits)) break;
    searcher_.set_limits(goal, limits, anchor);
    searcher_.run(static_cast<int>(searcher_.pool().size()) + options_.extra_evaluations);
  }
  if (limit) searcher_.set_limits(goal, asked, anchor);
  return result;
}

}  // namespace hat::search
