#include "hat/train/strategy.h"

#include <algorithm>
#include <cmath>

#include "hat/arch/cost.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"

namespace hat::train {
namespace {

// Sentence length at which costs are compared; short, as sentences are.
constexpr int kCostLength = 16;
// Candidates looked at for one wanted cost.
constexpr int kCostCandidates = 24;

Rng stream(uint64_t seed, int64_t update, int index) {
  return Rng(mix_seed(mix_seed(seed, static_cast<uint64_t>(update)), static_cast<uint64_t>(index)),
             "strategy");
}

Path pupil(arch::Architecture architecture, double distillation, double share) {
  return {std::move(architecture), /*teaches=*/false, distillation, share, /*dropout=*/false};
}

}  // namespace

double cost_per_token(const arch::Architecture& architecture) {
  return arch::flops_like_original(architecture, kCostLength) / (2.0 * kCostLength);
}

SinglePath::SinglePath(const arch::SearchSpace& space, uint64_t seed, bool like_original)
    : space_(space), seed_(seed), like_original_(like_original) {}

std::vector<Path> SinglePath::paths(int64_t update) const {
  if (like_original_) return {{arch::sample_like_original(space_, update)}};
  Rng rng = stream(seed_, update, 0);
  return {{space_.decode(space_.sample(rng))}};
}

UniformCost::UniformCost(const arch::SearchSpace& space, uint64_t seed)
    : space_(space),
      seed_(seed),
      smallest_cost_(cost_per_token(space.smallest())),
      largest_cost_(cost_per_token(space.largest())) {}

arch::Architecture UniformCost::draw(int64_t update, int index) const {
  Rng rng = stream(seed_, update, index);
  const double wanted = smallest_cost_ + rng.uniform() * (largest_cost_ - smallest_cost_);
  // Candidates that lean towards the small or the large end reach costs that uniform genes hardly
  // ever have: each starts at an end and has a random share of its slots redrawn.
  const arch::Genotype ends[2] = {space_.encode(space_.smallest()),
                                  space_.encode(space_.largest())};
  arch::Architecture best;
  double best_distance = HUGE_VAL;
  for (int i = 0; i < kCostCandidates; ++i) {
    const arch::Genotype genotype =
        i % 2 == 0 ? space_.sample(rng) : space_.mutate(ends[rng.below(2)], rng.uniform(), rng);
    arch::Architecture candidate = space_.decode(genotype);
    const double distance = std::abs(cost_per_token(candidate) - wanted);
    if (distance < best_distance) {
      best_distance = distance;
      best = std::move(candidate);
    }
  }
  return best;
}

std::vector<Path> UniformCost::paths(int64_t update) const { return {{draw(update, 0)}}; }

Sandwich::Sandwich(const arch::SearchSpace& space, uint64_t seed, int random, double distillation,
                   bool full)
    : largest_(space.largest()),
      smallest_(space.smallest()),
      sampler_(space, seed),
      random_(random),
      distillation_(distillation),
      full_(full) {}

std::vector<Path> Sandwich::paths(int64_t update) const {
  const double half = full_ ? 1 : 0.5;
  const double rest = full_ ? 1 : half / (1 + random_);
  std::vector<Path> paths{{largest_, distillation_ > 0, 0, half}};
  for (int i = 0; i < random_; ++i)
    paths.push_back(pupil(sampler_.draw(update, i), distillation_, rest));
  paths.push_back(pupil(smallest_, distillation_, rest));
  return paths;
}

AlternatingSandwich::AlternatingSandwich(const arch::SearchSpace& space, uint64_t seed,
                                         double distillation)
    : largest_(space.largest()),
      smallest_(space.smallest()),
      sampler_(space, seed),
      distillation_(distillation) {}

std::vector<Path> AlternatingSandwich::paths(int64_t update) const {
  const bool small = update % 3 == 2;
  return {{largest_, distillation_ > 0, 0},
          pupil(small ? smallest_ : sampler_.draw(update, 0), distillation_, 1)};
}

FixedArchitecture::FixedArchitecture(arch::Architecture architecture)
    : architecture_(std::move(architecture)) {}

std::vector<Path> FixedArchitecture::paths(int64_t) const { return {{architecture_}}; }

std::vector<std::string> strategy_names() {
  return {"auto",          "single_path", "uniform_cost", "sandwich",
          "full_sandwich", "alternating", "original"};
}

std::unique_ptr<Strategy> make_strategy(const std::string& name, const arch::SearchSpace& space,
                                        uint64_t seed, double distillation) {
  const bool compat = space.options().compat;
  if (name == "original" || (name == "auto" && compat)) {
    return std::make_unique<SinglePath>(space, seed, true);
  }
  if (name == "single_path") return std::make_unique<SinglePath>(space, seed);
  if (name == "uniform_cost") return std::make_unique<UniformCost>(space, seed);
  if (name == "sandwich" || name == "full_sandwich") {
    const bool full = name == "full_sandwich";
    return std::make_unique<Sandwich>(space, seed, 2, distillation, full);
  }
  if (name == "auto" || name == "alternating") {
    return std::make_unique<AlternatingSandwich>(space, seed, distillation);
  }
  fail(ErrorKind::kConfig, str("unknown training strategy '", name, "'"),
       str("Use one of ", join(strategy_names(), ", "), ".", did_you_mean(name, strategy_names())));
}

}  // namespace hat::train
