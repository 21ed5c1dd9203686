#include "hat/latency/measure.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "hat/base/error.h"
#include "hat/base/stats.h"
#include "hat/latency/checks.h"
#include "hat/latency/predictor.h"
#include "latency_fixtures.h"

namespace hat::latency {
namespace {

using testing::fake_device;
using testing::have_python;
using testing::TemporaryFolder;

arch::SearchSpace space() { return arch::SearchSpace::named("tiny"); }

MeasureOptions options(int samples) {
  MeasureOptions o;
  o.samples = samples;
  o.sample_limit_ms = 1000;
  o.workload = {1, 5, 10, 10, {1000, 1000}};
  return o;
}

/// The fake device's own formula (fake_agent.py).
double formula_ms(const arch::Architecture& a) {
  double ms = 1;
  for (const auto& layer : a.encoder) ms += 0.1 + a.encoder_embed_dim * layer.ffn_dim / 4e6;
  for (const auto& layer : a.decoder) ms += 1.0 + a.decoder_embed_dim * layer.ffn_dim / 1e6;
  return ms;
}

std::set<std::string> ids(const LatencySet& set) {
  std::set<std::string> result;
  for (const LatencyRow& row : set.rows) result.insert(arch::architecture_id(*row.architecture));
  return result;
}

TEST(Sampling, CoversTheCostsWithTheExtremes) {
  const arch::SearchSpace s = space();
  const arch::Workload workload = options(1).workload;
  const auto sample = stratified_sample(s, workload, 30, 5);
  ASSERT_EQ(sample.size(), 30U);
  EXPECT_EQ(sample[0], s.smallest());
  EXPECT_EQ(sample[1], s.largest());
  std::set<std::string> distinct;
  for (const auto& a : sample) distinct.insert(arch::architecture_id(a));
  EXPECT_EQ(distinct.size(), 30U);
  EXPECT_EQ(stratified_sample(s, workload, 30, 5)[7], sample[7]);
  EXPECT_NE(stratified_sample(s, workload, 30, 6)[7], sample[7]);
}

TEST(Sampling, PrefersWhatTheRowsSayLeastAbout) {
  const arch::SearchSpace s = space();
  LatencySet set;
  set.workload = options(1).workload;
  const auto sample = stratified_sample(s, set.workload, 20, 5);
  for (const auto& a : sample) {
    LatencyRow row;
    row.architecture = a;
    set.rows.push_back(row);
  }
  // Known architectures against one that no row is near to.
  arch::Architecture odd = s.middle();
  for (auto& layer : odd.encoder) layer.ffn_dim *= 50;
  std::vector<arch::Architecture> pool(sample.begin(), sample.begin() + 5);
  pool.push_back(odd);
  EXPECT_EQ(least_known(pool, set), 5U);
}

TEST(Measure, DriftIsDividedOut) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "latency.jsonl";
  const MeasureSummary summary =
      measure_latency(fake_device("unsteady"), space(), options(24), journal);
  EXPECT_EQ(summary.rows, 24);
  const LatencySet set = read_journal(journal);
  ASSERT_EQ(set.rows.size(), 24U);
  std::vector<double> corrected;
  std::vector<double> plain;
  for (const LatencyRow& row : set.rows) {
    const double truth = formula_ms(*row.architecture);
    corrected.push_back(std::log(row.total_ms / truth));
    plain.push_back(std::log(row.wall_total.mean / truth));
  }
  // The device's level is what its anchors' reference says; the ratios between networks count.
  const auto spread = [](std::vector<double> logs) {
    const double level = median(logs);
    for (double& log : logs) log = std::abs(log - level);
    return median(logs);
  };
  EXPECT_LT(spread(corrected), 0.04);
  EXPECT_GT(spread(plain), 2 * spread(corrected));
}

TEST(Measure, WhatWasMeasuredOnASlowDeviceIsVisitedAgain) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "latency.jsonl";
  const MeasureSummary summary = measure_latency(
      fake_device("slow-a-while", folder.path() / "count"), space(), options(24), journal);
  EXPECT_EQ(summary.rows, 24);
  const LatencySet set = read_journal(journal);
  EXPECT_EQ(ids(set).size(), 24U);
  size_t visits = 0;
  for (const std::string& line : split(read_file(journal), '\n')) {
    visits += line.find("\"type\":\"row\"") != std::string::npos ? 1 : 0;
  }
  EXPECT_GT(visits, 25U);
  EXPECT_LT(visits, 60U);
  for (const LatencyRow& row : set.rows) {
    const double truth = formula_ms(*row.architecture);
    EXPECT_NEAR(row.quiet_ms, truth, 0.05 * truth);
  }
}

TEST(Measure, ABusyDeviceGetsMoreTimeUnlessTheUserSaidHowMuch) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const auto repetitions = [](double max_minutes) {
    const TemporaryFolder folder;
    const fs::path journal = folder.path() / "latency.jsonl";
    MeasureOptions o = options(8);
    o.precision_percent = 0.1;
    o.repetitions = 10'000;
    o.sample_limit_ms = 400;
    o.max_minutes = max_minutes;
    measure_latency(fake_device("busy"), space(), o, journal);
    std::vector<double> counts;
    for (const LatencyRow& row : read_journal(journal).rows) counts.push_back(row.repetitions);
    return median(counts);
  };
  const double as_long = 8 * 400 / 60e3;  // 400 ms for each of the eight
  const double patient = repetitions(0);
  const double hurried = repetitions(as_long);
  EXPECT_GT(patient, 1.2 * hurried);
}

TEST(Measure, TimesAreThoseOfTheFormula) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "latency.jsonl";
  measure_latency(fake_device("normal"), space(), options(12), journal);
  const LatencySet set = read_journal(journal);
  EXPECT_EQ(set.anchors->small, space().smallest());
  EXPECT_EQ(set.anchors->large, space().middle());
  for (const LatencyRow& row : set.rows) {
    const double truth = formula_ms(*row.architecture);
    EXPECT_NEAR(row.total_ms, truth, 0.05 * truth);
    EXPECT_NEAR(row.encoder_ms + row.decoder_ms, row.total_ms, 1e-9);
    EXPECT_LT(row.error_percent, 2);
  }
}

TEST(Measure, HeldOutArchitecturesAreNew) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  measure_latency(fake_device("normal"), space(), options(30), folder.path() / "a.jsonl");
  const LatencySet set = read_journal(folder.path() / "a.jsonl");
  MeasureOptions other = options(25);
  other.active = false;
  other.excluded = ids(set);
  other.former = &set;
  measure_latency(fake_device("normal"), space(), other, folder.path() / "b.jsonl");
  const LatencySet held_out = read_journal(folder.path() / "b.jsonl");
  EXPECT_EQ(held_out.rows.size(), 25U);
  for (const std::string& id : ids(held_out)) EXPECT_EQ(other.excluded.count(id), 0U);
  EXPECT_DOUBLE_EQ(held_out.anchors->large_ms, set.anchors->large_ms);
}

TEST(Measure, ALostConnectionIsTakenUpAgain) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "latency.jsonl";
  measure_latency(fake_device("cut", folder.path() / "count"), space(), options(12), journal);
  const LatencySet set = read_journal(journal);
  EXPECT_EQ(set.rows.size(), 12U);
  EXPECT_EQ(ids(set).size(), 12U);
  EXPECT_TRUE(set.rejected.empty());
}

TEST(Measure, GoesOnWhereADeadDeviceLeftIt) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "latency.jsonl";
  EXPECT_THROW(measure_latency(fake_device("dead-after-6", folder.path() / "count"), space(),
                               options(14), journal),
               Error);
  const LatencySet before = read_journal(journal);
  ASSERT_GE(before.rows.size(), 2U);
  ASSERT_LT(before.rows.size(), 14U);
  // A kill cut the last line short: that sample is measured again, the others are kept.
  std::string text = read_file(journal);
  write_file_atomic(journal, text + R"({"type":"row","architec)");
  measure_latency(fake_device("normal"), space(), options(14), journal);
  const LatencySet after = read_journal(journal);
  EXPECT_EQ(after.rows.size(), 14U);
  EXPECT_EQ(ids(after).size(), 14U);
  EXPECT_EQ(after.rows.back().session, 2);
  for (size_t i = 0; i < before.rows.size(); ++i) {
    EXPECT_EQ(after.rows[i].quiet_ms, before.rows[i].quiet_ms);
  }
  // Nothing is left to do: no row is added.
  EXPECT_EQ(measure_latency(fake_device("normal"), space(), options(14), journal).measured, 0);
}

TEST(Measure, InterruptedAndStraightSetsHoldTheSameArchitectures) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  const fs::path straight = folder.path() / "a.jsonl";
  const fs::path resumed = folder.path() / "b.jsonl";
  measure_latency(fake_device("normal"), space(), options(20), straight);
  EXPECT_THROW(measure_latency(fake_device("dead-after-6", folder.path() / "count"), space(),
                               options(20), resumed),
               Error);
  measure_latency(fake_device("normal"), space(), options(20), resumed);
  EXPECT_EQ(ids(read_journal(straight)), ids(read_journal(resumed)));
}

TEST(Measure, ARestartKeepsTheMilliseconds) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  measure_latency(fake_device("normal"), space(), options(3), folder.path() / "a.jsonl");
  LatencySet former = read_journal(folder.path() / "a.jsonl");
  former.anchors->large_ms *= 0.5;  // measured when the device was twice as quiet
  MeasureOptions again = options(3);
  again.former = &former;
  measure_latency(fake_device("normal"), space(), again, folder.path() / "b.jsonl");
  EXPECT_DOUBLE_EQ(read_journal(folder.path() / "b.jsonl").anchors->large_ms,
                   former.anchors->large_ms);
  former.rows.back().facts["version"] = "older";  // other kernels, other milliseconds
  measure_latency(fake_device("normal"), space(), again, folder.path() / "c.jsonl");
  EXPECT_GT(read_journal(folder.path() / "c.jsonl").anchors->large_ms,
            1.5 * former.anchors->large_ms);
}

TEST(Measure, OtherSettingsAreNotMixedIn) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "latency.jsonl";
  measure_latency(fake_device("normal"), space(), options(3), journal);
  MeasureOptions longer = options(4);
  longer.workload.source_length = 20;
  EXPECT_THROW(measure_latency(fake_device("normal"), space(), longer, journal), Error);
  Device fp32 = fake_device("normal");
  fp32.precision = "fp32";
  EXPECT_THROW(measure_latency(fp32, space(), options(4), journal), Error);
  Device two_threads = fake_device("normal");
  two_threads.threads = 2;
  EXPECT_THROW(measure_latency(two_threads, space(), options(4), journal), Error);
  EXPECT_THROW(measure_latency(fake_device("normal"), arch::SearchSpace::named("small"), options(4),
                               journal),
               Error);
  EXPECT_EQ(read_journal(journal).rows.size(), 3U);
}

TEST(Measure, AnUnreachableDeviceLeavesNoFile) {
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "latency.jsonl";
  Device device = fake_device("gone");
  device.command = {"/nonexistent/agent"};
  EXPECT_THROW(measure_latency(device, space(), options(3), journal), Error);
  EXPECT_FALSE(fs::exists(journal));
}

TEST(Measure, MeasuredSetsTrainAPredictorForTheirSpaceOnly) {
  if (!have_python()) GTEST_SKIP() << "needs python3";
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "latency.jsonl";
  measure_latency(fake_device("normal"), space(), options(45), journal);
  const LatencySet set = read_journal(journal);
  EXPECT_FALSE(has_problem(check_latency_set(set)));
  const Predictor predictor = train_predictor(set, {}, {}, "fake");
  EXPECT_LT(predictor.cross_validation().mape_percent, 3);
  EXPECT_NO_THROW(predictor.require(space().id(), set.workload, "int8"));
  EXPECT_THROW(predictor.require("0123456789abcdef", set.workload, "int8"), Error);
  EXPECT_THROW(predictor.require(space().id(), set.workload, "fp32"), Error);
  arch::Workload other = set.workload;
  other.beam = 1;
  EXPECT_THROW(predictor.require(space().id(), other, "int8"), Error);
}

}  // namespace
}  // namespace hat::latency
