#include "hat/data/corpus.h"

#include <gtest/gtest.h>

#include "hat/data/labelled.h"
#include "hat/data/language.h"
#include "hat/data/text_file.h"
#include "testing/expect_error.h"
#include "testing/temporary_folder.h"

namespace hat::data {
namespace {

using ::hat::testing::expect_error;
using ::hat::testing::TemporaryFolder;

std::vector<std::string> lines_of(const fs::path& path) {
  LineReader reader(path);
  std::vector<std::string> lines;
  for (std::string_view line; reader.next(&line);) lines.emplace_back(line);
  return lines;
}

TEST(LineReader, ReadsLinesOfEveryForm) {
  TemporaryFolder folder;
  using Lines = std::vector<std::string>;
  EXPECT_EQ(lines_of(folder.write("a", "x\ny\n")), (Lines{"x", "y"}));
  EXPECT_EQ(lines_of(folder.write("a", "x\r\n\r\ny")), (Lines{"x", "", "y"}));
  EXPECT_EQ(lines_of(folder.write("a", "\xEF\xBB\xBFx\n\xEF\xBB\xBFy")),
            (Lines{"x", "\xEF\xBB\xBFy"}));
  EXPECT_EQ(lines_of(folder.write("a", "")), Lines{});
  EXPECT_EQ(lines_of(folder.write("a", "\n")), Lines{""});
  // longer than a chunk, and lines that straddle chunks
  Lines many;
  std::string text;
  for (int i = 0; i < 30'000; ++i) {
    many.push_back(std::string(static_cast<size_t>(i % 97), 'a') + "ä");
    text += many.back() + "\n";
  }
  many.push_back(std::string(900'000, 'b'));
  EXPECT_EQ(lines_of(folder.write("a", text + many.back())), many);
}

TEST(LineReader, NamesTheBadLine) {
  TemporaryFolder folder;
  expect_error(ErrorKind::kData, "line 2 is not UTF-8",
               [&] { lines_of(folder.write("a", "x\n\xE4rger\n")); });
  expect_error(ErrorKind::kData, "line 3 holds a zero byte",
               [&] { lines_of(folder.write("a", std::string("x\ny\nz\0\n", 7))); });
  expect_error(ErrorKind::kData, "line 1 is longer",
               [&] { lines_of(folder.write("a", std::string(3 << 20, 'x'))); });
  expect_error(ErrorKind::kIo, "no such file", [&] { lines_of(folder / "none"); });
  expect_error(ErrorKind::kIo, "directory", [&] { lines_of(folder.path()); });
}

struct Folder : TemporaryFolder {
  ParallelCorpus corpus() const {
    ParallelCorpus c{"de", "en", parallel_files(path() / "train", "de", "en"), {}, {}};
    c.test = parallel_files(path() / "test", "de", "en");
    return c;
  }
  void write_all(const std::string& train_de, const std::string& train_en,
                 const std::string& test_de, const std::string& test_en) const {
    write("train.de", train_de);
    write("train.en", train_en);
    write("test.de", test_de);
    write("test.en", test_en);
  }
};

TEST(Corpus, CountsAndFindsOverlap) {
  Folder folder;
  folder.write_all("a b\nc\n\n", "x\ny z w\nq\n", "c \nd\n", "y z w\ny\n");
  const CorpusSummary s = inspect(folder.corpus());
  EXPECT_EQ(s.train.pairs, 3u);
  EXPECT_EQ(s.train.empty, 1u);
  EXPECT_EQ(s.train.source_words.total(), 3u);
  EXPECT_EQ(s.train.target_words.longest(), 3u);
  EXPECT_DOUBLE_EQ(s.train.source_words.mean(), 1.0);
  ASSERT_TRUE(s.test);
  EXPECT_EQ(s.test->seen_in_train, 1u);
  EXPECT_FALSE(s.valid);
  EXPECT_EQ(s.distinct_words, 8u);
  ASSERT_EQ(s.warnings.size(), 2u);
  EXPECT_NE(s.warnings[0].find("1 of 2 test pairs"), std::string::npos) << s.warnings[0];
}

TEST(Corpus, RefusesBadFiles) {
  Folder folder;
  const auto inspect_it = [&] { inspect(folder.corpus()); };
  expect_error(ErrorKind::kIo, "train.de", inspect_it);
  folder.write_all("a\nb\n", "x\n", "c\n", "z\n");
  expect_error(ErrorKind::kData, "train.de has 2 lines", inspect_it);
  folder.write_all("a\n", "x\ny\nz\n", "c\n", "z\n");
  expect_error(ErrorKind::kData, "train.en has 3", inspect_it);
  folder.write_all("a\n", "", "c\n", "z\n");
  expect_error(ErrorKind::kData, "train.en: the train target file is empty", inspect_it);
  folder.write_all("a\nb\n", "\n \n", "c\n", "z\n");
  expect_error(ErrorKind::kData, "every line is empty", inspect_it);
  folder.write_all("a\n", "x\n", "\xFF\n", "z\n");
  expect_error(ErrorKind::kData, "test.de: line 1 is not UTF-8", inspect_it);
  folder.write_all("a\n", "a\n", "c\n", "z\n");
  expect_error(ErrorKind::kData, "the same text", inspect_it);
  folder.write_all("a\nb\n", "x\ny\n", "a\nb\n", "x\ny\n");
  expect_error(ErrorKind::kData, "test and train are the same", inspect_it);
  folder.write_all("a\n", "x\n", "c\n", "z\n");
  fs::remove(folder / "test.de");
  fs::create_symlink(folder / "train.de", folder / "test.de");
  expect_error(ErrorKind::kData, "one file is both", inspect_it);
}

TEST(Corpus, NoticesSwappedLanguages) {
  Folder folder;
  std::string german;
  std::string english;
  for (int i = 0; i < 40; ++i) {
    german += "der Hund und die Katze sind nicht in dem Haus\n";
    english += "the dog and the cat are not in the house of the man\n";
  }
  folder.write_all(english, german, "the\n", "der\n");
  const CorpusSummary s = inspect(folder.corpus());
  EXPECT_EQ(s.guessed_source, "en");
  EXPECT_EQ(s.guessed_target, "de");
  ASSERT_FALSE(s.warnings.empty());
  EXPECT_NE(s.warnings[0].find("swapped"), std::string::npos);
  EXPECT_EQ(language_name("de"), "German");
  EXPECT_EQ(language_name("xx"), "xx");
}

TEST(LengthCounts, Quantiles) {
  LengthCounts counts;
  for (size_t i = 1; i <= 100; ++i) counts.add(i);
  EXPECT_EQ(counts.quantile(0.5), 50u);
  EXPECT_EQ(counts.quantile(0.95), 95u);
  EXPECT_EQ(counts.quantile(0), 1u);
  EXPECT_EQ(counts.quantile(1), 100u);
  counts.add(1'000'000);
  EXPECT_EQ(counts.longest(), 1'000'000u);
}

TEST(PairLengths, GroupsAreOfEqualSize) {
  PairLengths pairs;
  for (size_t i = 1; i <= 100; ++i) pairs.add(i, 2 * i);
  const auto groups = pairs.groups(4);
  ASSERT_EQ(groups.size(), 4u);
  EXPECT_EQ(groups[0].source, 13);  // of 1 to 25
  EXPECT_EQ(groups[0].target, 26);
  EXPECT_EQ(groups[3].source, 88);  // of 76 to 100
  EXPECT_EQ(groups[3].target, 176);
  // One length that fills several groups, and one pair for all of them.
  PairLengths same;
  for (int i = 0; i < 10; ++i) same.add(7, 3);
  for (const auto& group : same.groups(5)) EXPECT_EQ(group.source, 7);
  PairLengths one;
  one.add(1'000'000, 4);
  EXPECT_EQ(one.groups(5).back().target, 4);
  EXPECT_TRUE(PairLengths().groups(5).empty());
}

TEST(Labelled, FindsTheLabelColumn) {
  TemporaryFolder folder;
  const LabelScheme first =
      find_labels(folder.write("a.tsv", "pos\tgood one\nneg\tbad\tone\npos\tx\n"));
  EXPECT_TRUE(first.label_first);
  EXPECT_EQ(first.labels, (std::vector<std::string>{"neg", "pos"}));
  const LabelScheme last = find_labels(
      folder.write("b.tsv", "text\tlabel\nnice\tpos\nbad\tneg\nso so\tneg\nfine\tpos\nugh\tneg\n"));
  EXPECT_FALSE(last.label_first);
  EXPECT_TRUE(last.has_header);
  EXPECT_EQ(last.labels, (std::vector<std::string>{"neg", "pos"}));
  LabelledReader reader(folder / "b.tsv", last);
  std::string_view text;
  int label = -1;
  ASSERT_TRUE(reader.next(&text, &label));
  EXPECT_EQ(text, "nice");
  EXPECT_EQ(label, 1);
}

TEST(Labelled, ChecksFiles) {
  TemporaryFolder folder;
  folder.write("train.tsv", "a\tone\nb\ttwo\na\tthree\n");
  LabelledFiles files{folder / "train.tsv", folder.write("valid.tsv", "a\tfour\nb\tone\n"), {}};
  const LabelledCorpusSummary s = inspect(files);
  EXPECT_EQ(s.train.per_class, (std::vector<uint64_t>{2, 1}));
  EXPECT_EQ(s.valid->seen_in_train, 1u);
  files.valid = folder.write("valid.tsv", "a\tx\nc\ty\n");
  expect_error(ErrorKind::kData, "line 2 has the label 'c'", [&] { inspect(files); });
  files.valid = folder.write("valid.tsv", "no tab here\n");
  expect_error(ErrorKind::kData, "line 1 has no tab", [&] { inspect(files); });
  files.valid = files.train;
  expect_error(ErrorKind::kData, "two splits", [&] { inspect(files); });
  files.valid.reset();
  folder.write("train.tsv", "a\tone\na\ttwo\n");
  expect_error(ErrorKind::kData, "no column holds", [&] { inspect(files); });
}

}  // namespace
}  // namespace hat::data
