#include "edge/beam_search.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <vector>

#include "hat/base/rng.h"

namespace hat::edge {
namespace {

std::vector<int32_t> slots_of(const BeamSearch& search, int beam) {
  const auto slots = search.slots(beam);
  return {slots.begin(), slots.end()};
}

/// Continues live hypotheses at random, as candidates best first.
std::vector<Candidate> random_candidates(const BeamSearch& search, int count, Rng& rng) {
  std::vector<Candidate> out;
  for (int i = 0; i < count; ++i) {
    const auto beam = static_cast<int32_t>(rng.below(static_cast<uint64_t>(search.live())));
    out.push_back({-static_cast<float>(i), 4 + i, beam});
  }
  return out;
}

TEST(BeamSearch, CacheSlotsFollowTheHypotheses) {
  constexpr int kBeam = 4;
  constexpr int kLength = 60;
  Rng rng(1);
  BeamSearch search;
  search.reset(kBeam, kLength, 1, 1.0, {});
  // What a cache would hold: who wrote a slot last.
  std::vector<std::pair<int, int>> cache(kBeam * (kLength + 2), {-1, -1});
  std::vector<std::vector<std::pair<int, int>>> history(1);  // of each live hypothesis
  while (!search.done() && search.step() < kLength) {
    std::set<int32_t> own;
    for (int beam = 0; beam < search.live(); ++beam) {
      const auto slots = slots_of(search, beam);
      ASSERT_EQ(slots.size(), static_cast<size_t>(search.step()) + 1);
      ASSERT_LT(slots.back(), kBeam * (search.step() + 1));
      EXPECT_TRUE(own.insert(slots.back()).second) << "two hypotheses write one slot";
      cache[static_cast<size_t>(slots.back())] = {search.step(), beam};
      history[static_cast<size_t>(beam)].emplace_back(search.step(), beam);
    }
    for (int beam = 0; beam < search.live(); ++beam) {
      const auto slots = slots_of(search, beam);
      for (size_t t = 0; t < slots.size(); ++t) {
        EXPECT_EQ(cache[static_cast<size_t>(slots[t])], history[static_cast<size_t>(beam)][t]);
      }
    }
    const auto candidates = random_candidates(search, kBeam, rng);
    std::vector<std::vector<std::pair<int, int>>> next;
    for (const Candidate& c : candidates) next.push_back(history[static_cast<size_t>(c.beam)]);
    search.advance(candidates);
    history = next;
  }
  EXPECT_EQ(search.step(), kLength);
}

TEST(BeamSearch, SlotsOfHypothesesThatWereDroppedAreUsedAgain) {
  constexpr int kBeam = 5;
  BeamSearch search;
  search.reset(kBeam, 200, 1, 1.0, {});
  for (int step = 0; step < 150; ++step) {
    std::vector<Candidate> all_from_the_first;
    for (int i = 0; i < kBeam; ++i) all_from_the_first.push_back({-1.0f * i, 4 + i, 0});
    search.advance(all_from_the_first);
  }
  int32_t highest = 0;
  for (int beam = 0; beam < search.live(); ++beam) {
    for (const int32_t slot : slots_of(search, beam)) highest = std::max(highest, slot);
  }
  EXPECT_LE(highest, search.step() + 2 * kBeam);
}

}  // namespace
}  // namespace hat::edge
