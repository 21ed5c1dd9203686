#include "edge/beam_search.h"

#include <algorithm>
#include <cmath>

#include "edge/tokens.h"

namespace hat::edge {

void BeamSearch::reset(int beam, int max_length, int min_length, double length_penalty,
                       std::span<const int> prefix) {
  beam_ = beam;
  max_length_ = std::max(max_length, static_cast<int>(prefix.size()));
  min_length_ = std::min(min_length, max_length_);
  length_penalty_ = length_penalty;
  prefix_.assign(prefix.begin(), prefix.end());
  step_ = 0;
  live_ = 1;
  done_ = false;
  finished_.clear();
  finished_.reserve(static_cast<size_t>(beam));
  const size_t entries = at(max_length_ + 2, 0);
  tokens_.resize(entries);
  parents_.resize(entries);
  scores_.resize(entries);
  const size_t slots = static_cast<size_t>(beam) * static_cast<size_t>(max_length_ + 2);
  slots_.resize(slots);
  next_slots_.resize(slots);
  slot_used_.assign(slots, 0);
  tokens_[0] = kEnd;  // the decoder's start symbol
  parents_[0] = 0;
  scores_[0] = 0;
  slots_[0] = 0;
}

int BeamSearch::last_token(int beam) const { return tokens_[at(step_, beam)]; }
float BeamSearch::score(int beam) const { return scores_[at(step_, beam)]; }

int BeamSearch::forced_token() const {
  if (static_cast<size_t>(step_) < prefix_.size()) return prefix_[static_cast<size_t>(step_)];
  return step_ >= max_length_ ? kEnd : -1;
}

std::span<const int32_t> BeamSearch::slots(int beam) const {
  const size_t stride = static_cast<size_t>(max_length_) + 2;
  return {slots_.data() + static_cast<size_t>(beam) * stride, static_cast<size_t>(step_) + 1};
}

void BeamSearch::finish(const Candidate& candidate) {
  if (finished_.size() == static_cast<size_t>(beam_)) return;
  const double length = step_ + 1;
  finished_.push_back({step_, candidate.beam, candidate.score,
                       candidate.score / std::pow(length, length_penalty_)});
}

void BeamSearch::keep(std::span<const Candidate> candidates) {
  const size_t stride = static_cast<size_t>(max_length_) + 2;
  int kept = 0;
  for (const Candidate& candidate : candidates) {
    if (kept == beam_) break;
    if (candidate.token == kEnd) continue;
    const size_t entry = at(step_ + 1, kept);
    tokens_[entry] = candidate.token;
    parents_[entry] = candidate.beam;
    scores_[entry] = candidate.score;
    int32_t* slots = next_slots_.data() + static_cast<size_t>(kept) * stride;
    const int32_t* parent_slots = slots_.data() + static_cast<size_t>(candidate.beam) * stride;
    std::copy_n(parent_slots, step_ + 1, slots);
    ++kept;
  }
  slots_.swap(next_slots_);
  live_ = kept;
  give_slots();
}

/// Gives every live hypothesis a slot for the next position.
void BeamSearch::give_slots() {
  const size_t stride = static_cast<size_t>(max_length_) + 2;
  const int32_t now = step_ + 1;
  for (int beam = 0; beam < live_; ++beam) {
    const int32_t* slots = slots_.data() + static_cast<size_t>(beam) * stride;
    for (int32_t t = 0; t < now; ++t) slot_used_[static_cast<size_t>(slots[t])] = now;
  }
  int32_t slot = 0;
  for (int beam = 0; beam < live_; ++beam, ++slot) {
    while (slot_used_[static_cast<size_t>(slot)] == now) ++slot;
    slots_[static_cast<size_t>(beam) * stride + static_cast<size_t>(now)] = slot;
  }
}

void BeamSearch::advance(std::span<const Candidate> candidates) {
  const size_t first = std::min(candidates.size(), static_cast<size_t>(beam_));
  for (const Candidate& candidate : candidates.first(first)) {
    if (candidate.token == kEnd) finish(candidate);
  }
  if (finished_.size() == static_cast<size_t>(beam_) || step_ >= max_length_) {
    done_ = true;
    return;
  }
  keep(candidates);
  ++step_;
  done_ = live_ == 0;
}

std::vector<Hypothesis> BeamSearch::results(int n_best,
                                            std::vector<std::vector<int32_t>>* paths) const {
  std::vector<Finished> order = finished_;
  std::stable_sort(order.begin(), order.end(),
                   [](const Finished& a, const Finished& b) { return a.score > b.score; });
  if (order.size() > static_cast<size_t>(n_best)) order.resize(static_cast<size_t>(n_best));
  std::vector<Hypothesis> out;
  for (const Finished& end : order) {
    const size_t length = static_cast<size_t>(end.step) + 1;
    Hypothesis hypothesis;
    hypothesis.score = static_cast<float>(end.score);
    hypothesis.tokens.assign(length, kEnd);
    std::vector<float> cumulative(length, end.cumulative);
    std::vector<int32_t> path(length, end.beam);
    int beam = end.beam;
    for (int t = end.step; t > 0; --t) {
      const size_t entry = at(t, beam);
      path[static_cast<size_t>(t)] = beam;
      hypothesis.tokens[static_cast<size_t>(t) - 1] = tokens_[entry];
      cumulative[static_cast<size_t>(t) - 1] = scores_[entry];
      beam = parents_[entry];
    }
    path[0] = 0;
    hypothesis.positional_scores = cumulative;
    for (size_t t = length - 1; t > 0; --t) hypothesis.positional_scores[t] -= cumulative[t - 1];
    if (paths != nullptr) paths->push_back(std::move(path));
    out.push_back(std::move(hypothesis));
  }
  return out;
}

}  // namespace hat::edge
