#include "hat/data/batch.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "hat/base/rng.h"
#include "testing/expect_error.h"
#include "testing/temporary_folder.h"

namespace hat::data {
namespace {

using ::hat::testing::expect_error;
using ::hat::testing::TemporaryFolder;

// Lengths as in real text: source around 12, target near the source's.
TokenDataset make_dataset(const TemporaryFolder& folder, size_t pairs, uint64_t seed = 1) {
  Rng rng(seed);
  TokenDatasetWriter writer(folder / "set", DatasetKind::kPairs, 1000, 900);
  for (size_t i = 0; i < pairs; ++i) {
    const auto sentence = [&](double length, uint64_t vocabulary) {
      std::vector<int> ids(static_cast<size_t>(std::clamp(length, 1.0, 60.0)));
      for (int& id : ids) id = 4 + static_cast<int>(rng.below(vocabulary - 4));
      ids.push_back(kEos);
      return ids;
    };
    const double length = 12 + 4 * rng.normal();
    const auto source = sentence(length, 1000);
    writer.add(source, sentence(length + 2 * rng.normal(), 900));
  }
  writer.finish();
  return TokenDataset::open(folder / "set");
}

std::vector<std::vector<uint32_t>> all_batches(const BatchPlan& plan) {
  std::vector<std::vector<uint32_t>> batches;
  for (size_t i = 0; i < plan.size(); ++i) {
    const auto batch = plan.batch(i);
    batches.emplace_back(batch.begin(), batch.end());
  }
  return batches;
}

TEST(BatchPlan, EverySentenceOnceWithinTheLimit) {
  TemporaryFolder folder;
  const TokenDataset set = make_dataset(folder, 3000);
  for (int tokens : {20, 100, 1000, 4096}) {
    for (int rows : {0, 7}) {
      BatchOptions options;
      options.batch_tokens = tokens;
      options.max_rows = rows;
      const BatchPlan plan(set, options, 3);
      std::multiset<uint32_t> seen;
      for (const auto& batch : all_batches(plan)) {
        int longest = 0;
        for (uint32_t i : batch) {
          longest = std::max({longest, set.source_length(i), set.target_length(i)});
        }
        ASSERT_FALSE(batch.empty());
        if (batch.size() > 1) {
          EXPECT_LE(static_cast<int>(batch.size()) * longest, tokens);
        }
        if (rows > 0) {
          EXPECT_LE(static_cast<int>(batch.size()), rows);
        }
        seen.insert(batch.begin(), batch.end());
      }
      EXPECT_EQ(seen.size(), set.size());
      EXPECT_EQ(std::set<uint32_t>(seen.begin(), seen.end()).size(), set.size());
    }
  }
}

TEST(BatchPlan, PaddingIsSmallAndReportedRight) {
  TemporaryFolder folder;
  const TokenDataset set = make_dataset(folder, 20'000);
  BatchOptions options;
  options.batch_tokens = 2048;
  const BatchPlan plan(set, options, 0);
  int64_t cells = 0;
  int64_t tokens = 0;
  for (size_t i = 0; i < plan.size(); ++i) {
    const Batch b = make_batch(set, plan.batch(i));
    cells += b.rows * (b.source_length + b.target_length);
    tokens += b.source_tokens + b.target_tokens;
  }
  const double padding = 1.0 - static_cast<double>(tokens) / static_cast<double>(cells);
  EXPECT_NEAR(plan.padding_share(), padding, 1e-12);
  EXPECT_LT(padding, 0.05);
}

TEST(BatchPlan, DependsOnSeedAndEpochOnly) {
  TemporaryFolder folder;
  const TokenDataset set = make_dataset(folder, 2000);
  BatchOptions options;
  options.batch_tokens = 300;
  const auto first = all_batches(BatchPlan(set, options, 1));
  EXPECT_EQ(first, all_batches(BatchPlan(set, options, 1)));
  EXPECT_NE(first, all_batches(BatchPlan(set, options, 2)));
  options.seed = 2;
  EXPECT_NE(first, all_batches(BatchPlan(set, options, 1)));
  options.shuffle = false;
  const auto fixed_order = all_batches(BatchPlan(set, options, 1));
  options.seed = 3;
  EXPECT_EQ(fixed_order, all_batches(BatchPlan(set, options, 9)));
}

TEST(BatchPlan, RegroupsSentencesInEachEpoch) {
  TemporaryFolder folder;
  const TokenDataset set = make_dataset(folder, 2000);
  BatchOptions options;
  options.batch_tokens = 300;
  const auto groups = [&](uint64_t epoch) {
    std::set<std::vector<uint32_t>> result;
    for (auto batch : all_batches(BatchPlan(set, options, epoch))) {
      std::sort(batch.begin(), batch.end());
      result.insert(batch);
    }
    return result;
  };
  const auto a = groups(0);
  const auto b = groups(1);
  std::vector<std::vector<uint32_t>> same;
  std::set_intersection(a.begin(), a.end(), b.begin(), b.end(), std::back_inserter(same));
  EXPECT_LT(same.size(), a.size() / 4);
}

TEST(BatchIterator, ResumesAtTheExactBatch) {
  TemporaryFolder folder;
  const TokenDataset set = make_dataset(folder, 500);
  BatchOptions options;
  options.batch_tokens = 400;
  BatchIterator straight(set, options);
  std::vector<std::vector<uint32_t>> expected;
  std::vector<BatchCursor> cursors;
  for (int i = 0; i < 100; ++i) {
    cursors.push_back(straight.cursor());
    const auto batch = straight.next();
    expected.emplace_back(batch.begin(), batch.end());
  }
  ASSERT_GT(straight.plan().epoch(), 0u);
  for (size_t start = 0; start < cursors.size(); ++start) {
    BatchIterator resumed(set, options);
    resumed.seek(BatchCursor::parse(cursors[start].to_string()));
    for (size_t i = start; i < std::min(start + 3, expected.size()); ++i) {
      const auto batch = resumed.next();
      EXPECT_EQ(std::vector<uint32_t>(batch.begin(), batch.end()), expected[i]);
    }
  }
}

TEST(BatchIterator, RefusesCursorsOfOtherDataOrOptions) {
  TemporaryFolder folder;
  TemporaryFolder other_folder;
  const TokenDataset set = make_dataset(folder, 200);
  const TokenDataset other = make_dataset(other_folder, 200, 2);
  BatchOptions options;
  BatchIterator iterator(set, options);
  const BatchCursor cursor = iterator.cursor();
  BatchIterator on_other(other, options);
  expect_error(ErrorKind::kData, "other data", [&] { on_other.seek(cursor); });
  options.batch_tokens = 100;
  BatchIterator smaller(set, options);
  expect_error(ErrorKind::kData, "other data", [&] { smaller.seek(cursor); });
  BatchCursor beyond = cursor;
  beyond.position = 1'000'000;
  expect_error(ErrorKind::kData, "1000000", [&] { iterator.seek(beyond); });
  for (const char* text : {"", "1", "1:2", "1:2:3", "-1:2:0123456789abcdef", "1:x:0123456789abcdef",
                           "1:2:0123456789abcdeg", "1:2:0123456789abcdef:4"}) {
    expect_error(ErrorKind::kData, "no position", [&] { BatchCursor::parse(text); });
  }
}

TEST(Batch, PadsAndShifts) {
  TemporaryFolder folder;
  TokenDatasetWriter writer(folder / "set", DatasetKind::kPairs, 10, 10);
  writer.add({4, 5, 2}, {6, 2});
  writer.add({7, 2}, {8, 9, 4, 2});
  writer.finish();
  const TokenDataset set = TokenDataset::open(folder / "set");
  const std::vector<uint32_t> both = {1, 0};
  const Batch b = make_batch(set, both);
  using Ids = std::vector<int64_t>;
  EXPECT_EQ(b.rows, 2);
  EXPECT_EQ(b.source_length, 3);
  EXPECT_EQ(b.target_length, 4);
  EXPECT_EQ(b.source, (Ids{7, 2, 1, 4, 5, 2}));
  EXPECT_EQ(b.target, (Ids{8, 9, 4, 2, 6, 2, 1, 1}));
  EXPECT_EQ(b.prev_output, (Ids{2, 8, 9, 4, 2, 6, 1, 1}));
  EXPECT_EQ(b.source_tokens, 5);
  EXPECT_EQ(b.target_tokens, 6);
}

TEST(Batch, RefusesIdsOutsideTheVocabulary) {
  TemporaryFolder folder;
  TokenDatasetWriter writer(folder / "set", DatasetKind::kPairs, 10, 10);
  writer.add({4, 5, 2}, {6, 2});
  writer.finish();
  std::string tokens = folder.read("set.bin");
  tokens[0] = 77;
  folder.write("set.bin", tokens);
  const TokenDataset set = TokenDataset::open(folder / "set");
  const std::vector<uint32_t> first = {0};
  expect_error(ErrorKind::kData, "77", [&] { make_batch(set, first); });
}

}  // namespace
}  // namespace hat::data
