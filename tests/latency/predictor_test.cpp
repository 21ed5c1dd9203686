#include "hat/latency/predictor.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "latency_fixtures.h"
#include "synthetic_sets.h"
#include "testing/shared_data.h"

namespace hat::latency {
namespace {

using testing::random_architecture;
using testing::synthetic_set;
using testing::SyntheticDevice;
using testing::TemporaryFolder;

TEST(KendallTau, KnownValues) {
  EXPECT_DOUBLE_EQ(kendall_tau({1, 2, 3, 4}, {10, 20, 30, 40}), 1);
  EXPECT_DOUBLE_EQ(kendall_tau({1, 2, 3, 4}, {4, 3, 2, 1}), -1);
  EXPECT_NEAR(kendall_tau({1, 2, 3, 4}, {1, 3, 2, 4}), 2.0 / 3, 1e-12);
  // tau-b with ties, as scipy.stats.kendalltau([1,2,2,3],[1,3,2,3]) gives.
  EXPECT_NEAR(kendall_tau({1, 2, 2, 3}, {1, 3, 2, 3}), 0.8, 1e-12);
  EXPECT_EQ(kendall_tau({1, 1, 1}, {1, 2, 3}), 0);
  EXPECT_EQ(kendall_tau({1}, {1}), 0);
}

TEST(Accuracy, CountsRelativeErrors) {
  const Accuracy a = accuracy({104, 92, 100}, {100, 100, 100});
  EXPECT_NEAR(a.mape_percent, 4, 1e-9);
  EXPECT_NEAR(a.within_5_percent, 200.0 / 3, 1e-9);
  EXPECT_NEAR(a.within_10_percent, 100, 1e-9);
}

TEST(Predictor, LearnsASyntheticDeviceFromFiftyRows) {
  const LatencySet set = synthetic_set(400, 0.01, 1);
  const DrawsReport report = evaluate_draws(set, 50, 10, {}, 0.9);
  EXPECT_LT(report.mean.mape_percent, 1.6);
  EXPECT_GT(report.mean.kendall_tau, 0.95);
  EXPECT_LE(report.bound_violations_percent, 10);
}

TEST(Predictor, SpikesHardlyMoveIt) {
  LatencySet set = synthetic_set(100, 0.01, 2);
  Rng rng(1);
  for (int i = 0; i < 10; ++i) testing::scale(&set.rows[rng.below(100)], 5);
  const Predictor predictor = train_predictor(set, {}, {.kind = "linear"});
  std::vector<double> predicted;
  std::vector<double> measured;
  for (const LatencyRow& row : synthetic_set(200, 0, 3).rows) {
    predicted.push_back(predictor.predict_ms(row.totals));
    measured.push_back(row.total_ms);
  }
  EXPECT_LT(accuracy(predicted, measured).mape_percent, 2);
}

TEST(Predictor, BoundHoldsOnRandomBudgets) {
  // 200 random budgets: the slowest held-out network whose bound is within the budget.
  int violations = 0;
  int decided = 0;
  for (uint64_t seed = 1; seed <= 5; ++seed) {
    const LatencySet set = synthetic_set(300, 0.03, seed);
    std::vector<int> training(60);
    std::iota(training.begin(), training.end(), 0);
    const Predictor predictor = train_predictor(set, training, {});
    const double factor = predictor.bound_factor(0.9);
    Rng rng(seed, "budgets");
    for (int i = 0; i < 40; ++i) {
      const double budget = 60 + 240 * rng.uniform();
      const LatencyRow* best = nullptr;
      double best_bound = 0;
      for (size_t k = 60; k < set.rows.size(); ++k) {
        const double bound = factor * predictor.predict_ms(set.rows[k].totals);
        if (bound <= budget && bound > best_bound) {
          best_bound = bound;
          best = &set.rows[k];
        }
      }
      if (best == nullptr) continue;
      ++decided;
      violations += best->total_ms > budget ? 1 : 0;
    }
  }
  ASSERT_GT(decided, 150);
  EXPECT_LE(violations, decided / 10);
}

TEST(Predictor, HigherConfidenceIsAHigherBound) {
  const Predictor predictor = train_predictor(synthetic_set(60, 0.03, 4), {}, {});
  double last = 0;
  for (const double confidence : {0.5, 0.8, 0.9, 0.95, 0.99, 0.999}) {
    const double factor = predictor.bound_factor(confidence);
    EXPECT_GE(factor, last);
    last = factor;
  }
  EXPECT_THROW(predictor.bound_factor(0.2), Error);
  EXPECT_THROW(predictor.bound_factor(1.0), Error);
}

TEST(Predictor, SavesAndLoadsEveryKind) {
  const TemporaryFolder folder;
  const LatencySet set = synthetic_set(60, 0.02, 5);
  Rng rng(9);
  const arch::Architecture a = random_architecture(&rng);
  for (const char* kind : {"linear", "gp"}) {
    const Predictor predictor = train_predictor(set, {}, {.kind = kind}, "box");
    const fs::path path = folder.path() / (std::string(kind) + ".json");
    predictor.save(path);
    const Predictor loaded = Predictor::load(path);
    EXPECT_EQ(loaded.kind(), kind);
    EXPECT_DOUBLE_EQ(loaded.predict_ms(a), predictor.predict_ms(a));
    EXPECT_DOUBLE_EQ(loaded.upper_bound_ms(a, 0.9), predictor.upper_bound_ms(a, 0.9));
    EXPECT_EQ(loaded.scope().device, "box");
    EXPECT_TRUE(loaded.scope().imported);
  }
}

TEST(Predictor, RefusesDamagedFiles) {
  const Predictor predictor = train_predictor(synthetic_set(60, 0.02, 5), {}, {.kind = "gp"});
  const config::Json good = config::Json::parse(predictor.to_json().dump());
  EXPECT_NO_THROW(Predictor::from_json(good, "good"));
  const auto refused = [&](const char* pointer, const config::Json& value) {
    config::Json bad = good;
    bad[config::Json::json_pointer(pointer)] = value;
    EXPECT_THROW(Predictor::from_json(bad, "bad"), Error) << pointer << " " << value.dump();
  };
  refused("/version", 99);
  refused("/type", "cake");
  refused("/calibration", config::Json::array());
  refused("/calibration", {3, 2, 1});
  refused("/model/kind", "oracle");
  refused("/model/linear/price_ms/output", "cheap");
  refused("/model/columns", {0, 99});
  refused("/model/points", {1, 2, 3});
  refused("/model/weights", "many");
  EXPECT_THROW(Predictor::from_json(config::Json::array(), "list"), Error);
}

TEST(Predictor, PricesAreNotNegativeAndAddUp) {
  const Predictor predictor = train_predictor(synthetic_set(80, 0.03, 6), {}, {.kind = "linear"});
  Rng rng(3);
  const arch::Architecture a = random_architecture(&rng);
  double sum = 0;
  for (const Contribution& part : predictor.explain(a)) {
    sum += part.ms;
    if (part.name != "fixed") {
      EXPECT_GE(part.ms, 0) << part.name;
    }
  }
  EXPECT_NEAR(sum, predictor.predict_ms(a), 1e-9 * sum);
}

TEST(Predictor, ReachableRangeIsExactForAdditiveModels) {
  const arch::SearchSpace space = arch::SearchSpace::named("hat-latency");
  const Predictor predictor = train_predictor(synthetic_set(100, 0.01, 7), {}, {.kind = "linear"});
  const Reachable reachable = predictor.reachable(space);
  EXPECT_TRUE(reachable.exact);
  EXPECT_LT(reachable.min_ms, reachable.max_ms);
  EXPECT_TRUE(space.contains(reachable.fastest));
  EXPECT_TRUE(space.contains(reachable.slowest));
  Rng rng(4);
  for (int i = 0; i < 2000; ++i) {
    const double ms = predictor.predict_ms(space.decode(space.sample(rng)));
    EXPECT_GE(ms, reachable.min_ms * (1 - 1e-12));
    EXPECT_LE(ms, reachable.max_ms * (1 + 1e-12));
  }
}

TEST(Predictor, GeneCostsNameWhatMatters) {
  const arch::SearchSpace space = arch::SearchSpace::named("hat-latency");
  const Predictor predictor = train_predictor(synthetic_set(200, 0.005, 8), {}, {.kind = "linear"});
  double largest = 0;
  std::string most;
  for (const GeneCost& cost : predictor.gene_costs(space)) {
    const auto [low, high] =
        std::minmax_element(cost.choice_ms.begin(), cost.choice_ms.end(),
                            [](const auto& a, const auto& b) { return a.second < b.second; });
    if (high->second - low->second > largest) {
      largest = high->second - low->second;
      most = cost.gene;
    }
  }
  EXPECT_NE(most.find("decoder"), std::string::npos) << most;
  EXPECT_NE(most.find("layer"), std::string::npos) << most;
}

TEST(Predictor, AnotherDeviceIsAGoodStart) {
  SyntheticDevice slow;
  slow.decoder_layer_ms *= 3.1;
  slow.ffn_ms *= 3.3;
  slow.span_ms *= 3;
  slow.encoder_ms *= 2.8;
  const Predictor prior = train_predictor(synthetic_set(200, 0.01, 9), {}, {.kind = "linear"});
  const LatencySet few = synthetic_set(6, 0.01, 10, slow);
  EXPECT_THROW(train_predictor(few, {}, {}), Error);
  TrainOptions options;
  options.prior = &prior;
  const Predictor predictor = train_predictor(few, {}, options);
  std::vector<double> predicted;
  std::vector<double> measured;
  for (const LatencyRow& row : synthetic_set(200, 0, 11, slow).rows) {
    predicted.push_back(predictor.predict_ms(row.totals));
    measured.push_back(row.total_ms);
  }
  EXPECT_LT(accuracy(predicted, measured).mape_percent, 4);
}

TEST(Predictor, TakesMicroseconds) {
  const Predictor predictor = train_predictor(synthetic_set(100, 0.02, 12), {}, {.kind = "gp"});
  Rng rng(5);
  const arch::Architecture a = random_architecture(&rng);
  const double begin_ms = wall_ms();
  double sum = 0;
  for (int i = 0; i < 2000; ++i) sum += predictor.predict_ms(a);
  EXPECT_GT(sum, 0);
  EXPECT_LT(wall_ms() - begin_ms, 2000 * 0.5);  // half a millisecond each on the busiest machine
}

TEST(Predictor, ReachesTheOriginalsErrorsWithAHundredRows) {
  const fs::path folder = hat::testing::shared_dir() / "data" / "latency" / "hat";
  if (!fs::exists(folder)) GTEST_SKIP() << "needs " << folder;
  const std::vector<std::pair<std::string, double>> bars = {
      {"iwslt14deen_gpu_titanxp_all.csv", 6.98},
      {"wmt14ende_cpu_raspberrypi_all.csv", 3.80},
      {"wmt14ende_cpu_xeon_all.csv", 5.2},
      {"wmt14ende_gpu_titanxp_all.csv", 5.91},
      {"wmt14enfr_cpu_raspberrypi_all.csv", 0.88}};
  for (const auto& [name, bar] : bars) {
    const LatencySet set = read_csv(folder / name);
    EXPECT_EQ(set.rows.size(), 2000U);
    EXPECT_LE(evaluate_draws(set, 100, 20, {}, 0.9).mean.mape_percent, bar) << name;
  }
}

TEST(Predictor, SmallSetsAreRefusedWithWhatToDo) {
  try {
    train_predictor(synthetic_set(5, 0.02, 1), {}, {});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_THROW(evaluate_draws(synthetic_set(50, 0.02, 1), 50, 2, {}, 0.9), Error);
}

}  // namespace
}  // namespace hat::latency
