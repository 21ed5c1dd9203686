#include "hat/latency/measure.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include "hat/base/error.h"
#include "hat/base/stats.h"
#include "hat/latency/checks.h"
#include "hat/latency/predictor.h"
#include "latency/estimate.h"
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

TEST(Estimate, TrimsBothEnds) {
  const Estimate e = trimmed_estimate({1, 2, 3, 4, 5, 6, 7, 8, 9, 1000}, 0.1);
  EXPECT_DOUBLE_EQ(e.mean, 5.5);
  EXPECT_GT(e.standard_error, 0);
  EXPECT_LT(e.standard_error, 2);
}

TEST(Estimate, RatiosUseTheAnchorsAroundEachRun) {
  MeasureReply reply;
  reply.runs.total_ms = reply.runs.encoder_ms = reply.runs.decoder_ms = {10, 30};
  reply.runs.total_cpu_ms = reply.runs.encoder_cpu_ms = reply.runs.decoder_cpu_ms = {10, 30};
  reply.anchor.total_ms = reply.anchor.total_cpu_ms = {4, 6, 9};
  reply.anchor_after = {0, 1, 2};
  const Ratios ratios = anchor_ratios(reply, false);
  ASSERT_EQ(ratios.total.size(), 2U);
  EXPECT_DOUBLE_EQ(ratios.total[0], 10 / 5.0);
  EXPECT_DOUBLE_EQ(ratios.total[1], 30 / 7.5);
  reply.anchor.total_ms = reply.anchor.total_cpu_ms = {4, 6};  // every second run
  reply.anchor_after = {0, 2};
  EXPECT_DOUBLE_EQ(anchor_ratios(reply, true).total[1], 30 / 5.0);
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
  const double anchor = formula_ms(*set.anchor);
  std::vector<double> corrected;
  std::vector<double> plain;
  for (const LatencyRow& row : set.rows) {
    const double truth = formula_ms(*row.architecture);
    corrected.push_back(std::abs(row.total_ratio * anchor / truth - 1));
    plain.push_back(std::abs(row.wall_total.mean / truth - 1));
    EXPECT_NEAR(row.encoder_ratio + row.decoder_ratio, row.total_ratio, 0.05 * row.total_ratio);
  }
  EXPECT_LT(median(corrected), 0.02);
  EXPECT_GT(median(plain), 2 * median(corrected));
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
  // The reference may come down at the end of a session; what was measured stays.
  EXPECT_LE(after.reference_anchor_ms, before.reference_anchor_ms);
  EXPECT_EQ(after.rows.back().session, 2);
  for (size_t i = 0; i < before.rows.size(); ++i) {
    EXPECT_EQ(after.rows[i].total_ratio, before.rows[i].total_ratio);
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
  former.reference_anchor_ms *= 0.5;  // measured when the device was twice as quiet
  MeasureOptions again = options(3);
  again.former = &former;
  measure_latency(fake_device("normal"), space(), again, folder.path() / "b.jsonl");
  EXPECT_DOUBLE_EQ(read_journal(folder.path() / "b.jsonl").reference_anchor_ms,
                   former.reference_anchor_ms);
  former.rows.back().facts["version"] = "older";  // other kernels, other milliseconds
  measure_latency(fake_device("normal"), space(), again, folder.path() / "c.jsonl");
  EXPECT_GT(read_journal(folder.path() / "c.jsonl").reference_anchor_ms,
            1.5 * former.reference_anchor_ms);
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
