#include "hat/data/token_dataset.h"

#include <gtest/gtest.h>

#include "hat/base/rng.h"
#include "testing/expect_error.h"
#include "testing/temporary_folder.h"

namespace hat::data {
namespace {

using ::hat::testing::expect_error;
using ::hat::testing::TemporaryFolder;

void write_pairs(const fs::path& prefix, int vocabulary, int pairs) {
  TokenDatasetWriter writer(prefix, DatasetKind::kPairs, vocabulary, vocabulary);
  for (int i = 0; i < pairs; ++i) {
    writer.add({4 + i % (vocabulary - 4), kEos}, {vocabulary - 1, 5, kEos});
  }
  writer.finish();
}

TEST(TokenDataset, ReturnsWhatWasWritten) {
  TemporaryFolder folder;
  for (int vocabulary : {100, 65536, 65537, 250'000}) {
    Rng rng(static_cast<uint64_t>(vocabulary));
    std::vector<std::vector<int>> sources;
    std::vector<std::vector<int>> targets;
    const auto sentence = [&] {
      std::vector<int> ids(rng.below(20));
      for (int& id : ids) id = static_cast<int>(rng.below(static_cast<uint64_t>(vocabulary)));
      ids.push_back(kEos);
      return ids;
    };
    TokenDatasetWriter writer(folder / "set", DatasetKind::kPairs, vocabulary, vocabulary);
    for (int i = 0; i < 500; ++i) {
      sources.push_back(sentence());
      targets.push_back(sentence());
      writer.add(sources.back(), targets.back());
    }
    const uint64_t fingerprint = writer.fingerprint();
    writer.finish();
    const TokenDataset set = TokenDataset::open(folder / "set");
    ASSERT_EQ(set.size(), sources.size());
    EXPECT_EQ(set.fingerprint(), fingerprint);
    EXPECT_EQ(set.source_vocabulary(), vocabulary);
    for (size_t i = 0; i < set.size(); ++i) {
      EXPECT_EQ(set.source(i).to_vector(), sources[i]);
      EXPECT_EQ(set.target(i).to_vector(), targets[i]);
      EXPECT_EQ(set.source_length(i), static_cast<int>(sources[i].size()));
      EXPECT_EQ(set.target_length(i), static_cast<int>(targets[i].size()));
    }
    // two bytes a token as long as they suffice
    EXPECT_EQ(fs::file_size(folder / "set.bin"),
              set.total_tokens() * (vocabulary <= 65536 ? 2u : 4u));
  }
}

TEST(TokenDataset, FingerprintSeesContentAndBounds) {
  TemporaryFolder folder;
  const auto fingerprint = [&](const std::vector<int>& source, const std::vector<int>& target) {
    TokenDatasetWriter writer(folder / "set", DatasetKind::kPairs, 10, 10);
    writer.add(source, target);
    return writer.fingerprint();
  };
  EXPECT_NE(fingerprint({4, 2}, {5, 2}), fingerprint({4, 2}, {6, 2}));
  EXPECT_NE(fingerprint({4, 2}, {5, 2}), fingerprint({4}, {2, 5, 2}));
}

TEST(TokenDataset, WithoutFinishNothingIsLeft) {
  TemporaryFolder folder;
  {
    TokenDatasetWriter writer(folder / "set", DatasetKind::kPairs, 10, 10);
    writer.add({4, 2}, {5, 2});
  }
  EXPECT_EQ(folder.entries(), 0u);
}

TEST(TokenDataset, LabelledSets) {
  TemporaryFolder folder;
  TokenDatasetWriter writer(folder / "set", DatasetKind::kLabelled, 10, 3);
  writer.add({4, 5, 2}, {2});
  writer.add({6, 2}, {0});
  writer.finish();
  const TokenDataset set = TokenDataset::open(folder / "set");
  EXPECT_EQ(set.kind(), DatasetKind::kLabelled);
  EXPECT_EQ(set.label(0), 2);
  EXPECT_EQ(set.label(1), 0);
  EXPECT_EQ(set.target_vocabulary(), 3);
}

TEST(TokenDataset, RefusesMissingAndCutFiles) {
  TemporaryFolder folder;
  expect_error(ErrorKind::kIo, "no prepared corpus", [&] { TokenDataset::open(folder / "none"); });
  write_pairs(folder / "set", 100, 50);
  const std::string index = folder.read("set.idx");
  const std::string tokens = folder.read("set.bin");
  folder.write("set.bin", tokens.substr(0, tokens.size() - 2));
  expect_error(ErrorKind::kData, "set.bin", [&] { TokenDataset::open(folder / "set"); });
  folder.write("set.bin", tokens);
  for (size_t size : {size_t{0}, size_t{10}, size_t{64}, index.size() - 1}) {
    folder.write("set.idx", index.substr(0, size));
    expect_error(ErrorKind::kData, "set.idx", [&] { TokenDataset::open(folder / "set"); });
  }
  std::string newer = index;
  newer[8] = 9;
  folder.write("set.idx", newer);
  expect_error(ErrorKind::kData, "version 9", [&] { TokenDataset::open(folder / "set"); });
}

TEST(TokenDataset, DamagedIndexesNeverCrash) {
  TemporaryFolder folder;
  write_pairs(folder / "set", 100, 30);
  const std::string good = folder.read("set.idx");
  Rng rng(2);
  for (int i = 0; i < 400; ++i) {
    std::string bytes = good;
    bytes[rng.below(rng.chance(0.5) ? 64 : bytes.size())] ^= static_cast<char>(1 + rng.below(255));
    folder.write("set.idx", bytes);
    try {
      const TokenDataset set = TokenDataset::open(folder / "set");
      for (size_t k = 0; k < set.size(); ++k) {
        set.source(k).to_vector();
        set.target(k).to_vector();
      }
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kData);
    }
  }
}

}  // namespace
}  // namespace hat::data
