#include "hat/latency/checks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "hat/base/file.h"
#include "synthetic_sets.h"
#include "testing/shared_data.h"

namespace hat::latency {
namespace {

using testing::scale;
using testing::synthetic_set;

std::string listed(const std::vector<Finding>& findings) {
  std::string text;
  for (const Finding& f : findings) text += finding_name(f.kind) + ": " + f.what + "\n";
  return text;
}

const Finding* find(const std::vector<Finding>& findings, FindingKind kind) {
  for (const Finding& finding : findings) {
    if (finding.problem && finding.kind == kind) return &finding;
  }
  return nullptr;
}

double share_of_lines(const Finding& finding, const std::vector<int>& lines) {
  size_t found = 0;
  for (const int line : lines) {
    found += static_cast<size_t>(std::count(finding.lines.begin(), finding.lines.end(), line));
  }
  return static_cast<double>(found) / static_cast<double>(lines.size());
}

TEST(Checks, CleanSetsRaiseNothing) {
  for (const int rows : {45, 60, 100, 200, 500, 2000}) {
    for (const double noise : {0.001, 0.005, 0.02, 0.05}) {
      for (uint64_t seed = 1; seed <= 5; ++seed) {
        const LatencySet set = synthetic_set(rows, noise, seed);
        const std::vector<Finding> findings = check_latency_set(set);
        EXPECT_FALSE(has_problem(findings))
            << rows << " rows, noise " << noise << ", seed " << seed << "\n"
            << listed(findings);
      }
    }
  }
}

struct Fault {
  const char* name;
  FindingKind kind;
  std::function<std::vector<int>(LatencySet*, Rng*)> seed;  // returns the lines it spoils
};

std::vector<Fault> faults() {
  const auto ramp = [](double total) {
    return [total](LatencySet* set, Rng*) {
      const double n = static_cast<double>(set->rows.size());
      for (size_t i = 0; i < set->rows.size(); ++i) {
        scale(&set->rows[i], 1 + total * static_cast<double>(i) / n);
      }
      return std::vector<int>{};
    };
  };
  const auto wave = [](LatencySet* set, Rng*) {
    for (size_t i = 0; i < set->rows.size(); ++i) {
      scale(&set->rows[i], 1 + 0.12 * std::sin(6.3 * static_cast<double>(i) /
                                               static_cast<double>(set->rows.size())));
    }
    return std::vector<int>{};
  };
  const auto throttled_start = [](LatencySet* set, Rng*) {
    for (size_t i = 0; i < set->rows.size() / 6; ++i) scale(&set->rows[i], 1.4);
    return std::vector<int>{};
  };
  const auto from_line = [](double share, double factor) {
    return [share, factor](LatencySet* set, Rng*) {
      const size_t begin = static_cast<size_t>(share * static_cast<double>(set->rows.size()));
      for (size_t i = begin; i < set->rows.size(); ++i) scale(&set->rows[i], factor);
      return std::vector<int>{};
    };
  };
  const auto fact = [](const char* name, const char* usual, const char* other) {
    return [=](LatencySet* set, Rng*) {
      std::vector<int> lines;
      for (size_t i = 0; i < set->rows.size(); ++i) {
        const bool changed = i >= 3 * set->rows.size() / 4;
        set->rows[i].facts[name] = changed ? other : usual;
        if (changed) lines.push_back(set->rows[i].line);
      }
      return lines;
    };
  };
  const auto shuffled_times = [](LatencySet* set, Rng* rng) {
    std::vector<LatencyRow> rows = set->rows;
    rng->shuffle(rows);
    for (size_t i = 0; i < rows.size(); ++i) {
      set->rows[i].encoder_ms = rows[i].encoder_ms;
      set->rows[i].decoder_ms = rows[i].decoder_ms;
      set->rows[i].total_ms = rows[i].total_ms;
    }
    return std::vector<int>{};
  };
  const auto constant_times = [](LatencySet* set, Rng* rng) {
    for (LatencyRow& row : set->rows) {
      row.encoder_ms = 12 * (1 + 0.02 * rng->normal());
      row.decoder_ms = 200 * (1 + 0.02 * rng->normal());
      row.total_ms = row.encoder_ms + row.decoder_ms;
    }
    return std::vector<int>{};
  };
  const auto copies = [](int count) {
    return [count](LatencySet* set, Rng*) {
      std::vector<int> lines;
      for (int i = 0; i < count; ++i) {
        const LatencyRow& from = set->rows[static_cast<size_t>(i)];
        LatencyRow& to = set->rows[set->rows.size() - 1 - static_cast<size_t>(i)];
        to.encoder_ms = from.encoder_ms;
        to.decoder_ms = from.decoder_ms;
        to.total_ms = from.total_ms;
        lines.push_back(to.line);
      }
      return lines;
    };
  };
  const auto units = [](double factor, double share, bool encoder_only) {
    return [=](LatencySet* set, Rng* rng) {
      std::vector<int> lines;
      for (LatencyRow& row : set->rows) {
        if (!rng->chance(share)) continue;
        row.encoder_ms *= factor;
        if (!encoder_only) row.decoder_ms *= factor;
        row.total_ms = row.encoder_ms + row.decoder_ms;
        lines.push_back(row.line);
      }
      return lines;
    };
  };
  const auto outliers = [](int count, double factor) {
    return [=](LatencySet* set, Rng* rng) {
      std::vector<int> lines;
      while (static_cast<int>(lines.size()) < count) {
        LatencyRow& row = set->rows[rng->below(set->rows.size())];
        if (std::count(lines.begin(), lines.end(), row.line) > 0) continue;
        scale(&row, factor);
        lines.push_back(row.line);
      }
      return lines;
    };
  };
  const auto few = [](size_t rows) {
    return [rows](LatencySet* set, Rng*) {
      set->rows.resize(rows);
      return std::vector<int>{};
    };
  };
  return {
      {"rising 30 %", FindingKind::kDrift, ramp(0.3)},
      {"falling 12 %", FindingKind::kDrift, ramp(-0.12)},
      {"wave", FindingKind::kDrift, wave},
      {"slow start", FindingKind::kDrift, throttled_start},
      {"two threads from the middle", FindingKind::kSessionChange, from_line(0.5, 0.6)},
      {"other device for the last quarter", FindingKind::kSessionChange, from_line(0.75, 1.8)},
      {"threads column", FindingKind::kSessionChange, fact("threads", "1", "2")},
      {"device column", FindingKind::kSessionChange, fact("device_name", "rpi4", "rpi5")},
      {"shuffled times", FindingKind::kNoSignal, shuffled_times},
      {"graph ignores the architecture", FindingKind::kNoSignal, constant_times},
      {"one copied row", FindingKind::kDuplicates, copies(1)},
      {"forty copied rows", FindingKind::kDuplicates, copies(40)},
      {"seconds, some rows", FindingKind::kMixedUnits, units(1e-3, 0.2, false)},
      {"microseconds, few rows", FindingKind::kMixedUnits, units(1e3, 0.02, false)},
      {"encoder in seconds", FindingKind::kMixedUnits, units(1e-3, 0.4, true)},
      {"one spike", FindingKind::kOutliers, outliers(1, 4)},
      {"many spikes", FindingKind::kOutliers, outliers(12, 1.8)},
      {"too fast to be true", FindingKind::kOutliers, outliers(3, 0.4)},
      {"twelve rows", FindingKind::kTooFewRows, few(12)},
      {"thirty rows", FindingKind::kTooFewRows, few(30)},
  };
}

TEST(Checks, FindsTwentySeededFaults) {
  ASSERT_EQ(faults().size(), 20U);
  for (const int rows : {150, 600}) {
    for (const double noise : {0.01, 0.03}) {
      for (uint64_t seed = 11; seed <= 13; ++seed) {
        for (const Fault& fault : faults()) {
          LatencySet set = synthetic_set(rows, noise, seed);
          Rng rng(seed, fault.name);
          const std::vector<int> lines = fault.seed(&set, &rng);
          const std::vector<Finding> findings = check_latency_set(set);
          const Finding* found = find(findings, fault.kind);
          ASSERT_NE(found, nullptr)
              << fault.name << ", " << rows << " rows, noise " << noise << ", seed " << seed << "\n"
              << listed(findings);
          EXPECT_FALSE(found->advice.empty());
          if (!lines.empty()) {
            EXPECT_GT(share_of_lines(*found, lines), 0.9) << fault.name << "\n" << listed(findings);
          }
        }
      }
    }
  }
}

TEST(Checks, NamesTheOriginalsDriftingSets) {
  const fs::path folder = hat::testing::shared_dir() / "data" / "latency" / "hat";
  if (!fs::exists(folder)) GTEST_SKIP() << "needs " << folder;
  const std::vector<std::pair<std::string, bool>> expected = {
      {"iwslt14deen_gpu_titanxp_all.csv", true},
      {"wmt14ende_cpu_raspberrypi_all.csv", true},
      {"wmt14ende_gpu_titanxp_all.csv", true},
      {"wmt14ende_cpu_xeon_all.csv", false},
      {"wmt14enfr_cpu_raspberrypi_all.csv", false}};
  for (const auto& [name, drifts] : expected) {
    const std::vector<Finding> findings = check_latency_set(read_csv(folder / name));
    EXPECT_EQ(find(findings, FindingKind::kDrift) != nullptr, drifts) << name << "\n"
                                                                      << listed(findings);
  }
}

TEST(Checks, SaysWhereTheStepIs) {
  LatencySet set = synthetic_set(400, 0.01, 3);
  for (size_t i = 250; i < 400; ++i) scale(&set.rows[i], 1.5);
  const Finding* found = nullptr;
  const std::vector<Finding> findings = check_latency_set(set);
  found = find(findings, FindingKind::kSessionChange);
  ASSERT_NE(found, nullptr);
  ASSERT_EQ(found->lines.size(), 1U);
  EXPECT_NEAR(found->lines[0], 252, 3);
}

TEST(Checks, CoarselyRoundedTimesAreNoCopies) {
  LatencySet set = synthetic_set(200, 0.02, 5);
  for (LatencyRow& row : set.rows) {
    row.encoder_ms = std::round(row.encoder_ms);
    row.decoder_ms = std::round(row.decoder_ms);
    row.total_ms = row.encoder_ms + row.decoder_ms;
  }
  EXPECT_EQ(find(check_latency_set(set), FindingKind::kDuplicates), nullptr);
}

TEST(Checks, FindsAFileThatIsAnother) {
  const LatencySet batch_1 = synthetic_set(100, 0.02, 5);
  LatencySet batch_128 = batch_1;
  batch_128.origin = "batch_128.csv";
  EXPECT_EQ(check_copies(batch_128, {batch_1}, 0.5).size(), 1U);
  EXPECT_EQ(check_copies(batch_128, {batch_1}, 1.0).size(), 1U);
  const LatencySet other = synthetic_set(100, 0.02, 6);
  EXPECT_TRUE(check_copies(other, {batch_1}, 0.5).empty());
}

TEST(Checks, TinyAndEmptySetsAreSurvived) {
  for (const int rows : {0, 1, 2, 3, 5, 15, 16, 17}) {
    const std::vector<Finding> findings = check_latency_set(synthetic_set(rows, 0.02, 7));
    EXPECT_NE(find(findings, FindingKind::kTooFewRows), nullptr) << rows;
  }
}

TEST(Checks, FormatsLinesAsRanges) {
  EXPECT_EQ(format_lines({2, 3, 4, 9, 11, 12}), "2-4, 9, 11-12");
  EXPECT_EQ(format_lines({1, 3, 5, 7}, 2), "1, 3, and 2 more");
  EXPECT_EQ(format_lines({}), "");
}

}  // namespace
}  // namespace hat::latency
