#include "hat/data/prepare.h"

#include <gtest/gtest.h>

#include <set>

#include "hat/data/batch.h"
#include "hat/data/demo_corpus.h"
#include "hat/data/text_file.h"
#include "hat/data/tokenizer_trainer.h"
#include "hat/text/piece_tokenizer.h"
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

struct Workspace : TemporaryFolder {
  explicit Workspace(int64_t pairs = 600) {
    write_demo_corpus(path() / "text", {pairs, 30, 40}, 1);
    job.task.source = "de";
    job.task.target = "en";
    job.task.train = "text/train";
    job.task.valid = "text/valid";
    job.task.test = "text/test";
    job.root = path();
    job.data_dir = path() / "data";
  }
  PrepareJob job;
};

TEST(DemoCorpus, SplitsAreDisjointAndSeeded) {
  TemporaryFolder folder;
  const DemoSizes sizes = write_demo_corpus(folder / "a", {2000, 0, 0}, 1);
  EXPECT_EQ(sizes.valid, 100);
  write_demo_corpus(folder / "b", {2000, 0, 0}, 1);
  write_demo_corpus(folder / "c", {2000, 0, 0}, 2);
  std::set<std::string> sources;
  size_t lines = 0;
  for (const char* split : {"train", "valid", "test"}) {
    const auto german = lines_of(folder / "a" / (std::string(split) + ".de"));
    const auto english = lines_of(folder / "a" / (std::string(split) + ".en"));
    EXPECT_EQ(german.size(), english.size());
    sources.insert(german.begin(), german.end());
    lines += german.size();
    EXPECT_EQ(german, lines_of(folder / "b" / (std::string(split) + ".de")));
    EXPECT_NE(german, lines_of(folder / "c" / (std::string(split) + ".de")));
  }
  EXPECT_EQ(lines, 2200u);
  EXPECT_EQ(sources.size(), lines);
  expect_error(ErrorKind::kUsage, "at least one", [&] {
    write_demo_corpus(folder / "d", {0, 0, 0}, 1);
  });
}

TEST(DemoCorpus, SentencesAreWellFormed) {
  DemoSentences sentences(5);
  std::set<std::string> words;
  for (int i = 0; i < 5000; ++i) {
    const SentencePair pair = sentences.next();
    for (const std::string& text : {pair.source, pair.target}) {
      ASSERT_TRUE(text.back() == '.' || text.back() == '?') << text;
      EXPECT_EQ(text.find("  "), std::string::npos) << text;
      EXPECT_EQ(text.find(",."), std::string::npos) << text;
      EXPECT_FALSE(text.front() >= 'a' && text.front() <= 'z') << text;
    }
    for (const char* wrong : {" a a", " a e", " a i", " a o", " an b"}) {
      EXPECT_EQ(pair.target.find(wrong), std::string::npos) << pair.target;
    }
  }
}

TEST(Prepare, WritesWhatTrainingNeeds) {
  Workspace w;
  const Prepared p = prepare(w.job);
  ASSERT_EQ(p.splits.size(), 3u);
  EXPECT_EQ(p.splits[0].kept, 600u);
  EXPECT_EQ(p.splits[2].kept, 40u);
  EXPECT_EQ(p.tokenizers, std::vector<std::string>{"tokenizer.model"});
  EXPECT_LT(p.padding_share, 0.5);
  EXPECT_EQ(p.splits[0].unknown, 0u);
  const auto tokenizer = text::PieceTokenizer::load(w / "data/tokenizer.model");
  EXPECT_EQ(tokenizer.size(), p.source_vocabulary);
  const TokenDataset test = TokenDataset::open(w / "data/test");
  const auto german = lines_of(w / "text/test.de");
  const auto english = lines_of(w / "text/test.en");
  for (size_t i = 0; i < german.size(); ++i) {
    EXPECT_EQ(tokenizer.decode(test.source(i).to_vector()), german[i]);
    EXPECT_EQ(tokenizer.decode(test.target(i).to_vector()), english[i]);
    EXPECT_EQ(test.source(i)[test.source(i).size() - 1], kEos);
  }
  const config::Json json = config::load_json(w / "data/data.json");
  EXPECT_EQ(json["splits"]["train"]["kept"], 600);
  EXPECT_EQ(json["source_vocabulary"], p.source_vocabulary);
  EXPECT_FALSE(fs::exists(w / ".data.new"));
}

TEST(Prepare, SameSeedSameBytes) {
  Workspace w;
  prepare(w.job);
  const std::string first = w.read("data/train.bin") + w.read("data/train.idx") +
                            w.read("data/tokenizer.model") + w.read("data/data.json");
  prepare(w.job);  // over the old folder
  EXPECT_EQ(first, w.read("data/train.bin") + w.read("data/train.idx") +
                       w.read("data/tokenizer.model") + w.read("data/data.json"));
}

TEST(Prepare, CleansTrainAndKeepsEveryTestLine) {
  Workspace w;
  std::string long_line;
  for (int i = 0; i < 400; ++i) long_line += "Der Hund schläft. ";
  w.write("text/train.de", w.read("text/train.de") + "\nEin Satz.\n" + long_line + "\nJa.\n");
  std::string many_words = "The";
  for (int i = 0; i < 20; ++i) many_words += " dog and the";
  w.write("text/train.en", w.read("text/train.en") + "empty\n \nlong\n" + many_words + " cow.\n");
  w.write("text/test.de", "\n" + long_line + "\nEin Hund.\n");
  w.write("text/test.en", "x\ny\nA dog.\n");
  const Prepared p = prepare(w.job);
  EXPECT_EQ(p.splits[0].dropped.empty, 2u);
  EXPECT_EQ(p.splits[0].dropped.too_long, 1u);
  EXPECT_EQ(p.splits[0].dropped.ratio, 1u);
  EXPECT_EQ(p.splits[0].kept, 600u);
  const TokenDataset test = TokenDataset::open(w / "data/test");
  ASSERT_EQ(test.size(), 3u);
  EXPECT_EQ(test.source(0).to_vector(), std::vector<int>{kEos});
  EXPECT_EQ(test.source_length(1), w.job.options.max_tokens_per_sentence);
}

TEST(Prepare, SeparateVocabulariesAndGivenTokenizers) {
  Workspace w;
  w.job.options.joint_vocabulary = false;
  const Prepared separate = prepare(w.job);
  EXPECT_EQ(separate.tokenizers,
            (std::vector<std::string>{"tokenizer.de.model", "tokenizer.en.model"}));
  EXPECT_NE(separate.source_vocabulary, separate.target_vocabulary);
  fs::copy(w / "data/tokenizer.de.model", w / "mine.model");
  w.job.options.tokenizer = "mine.model";
  const Prepared given = prepare(w.job);
  EXPECT_EQ(given.source_vocabulary, separate.source_vocabulary);
  w.job.options.tokenizer = "unigrm";
  expect_error(ErrorKind::kConfig, "unigrm", [&] { prepare(w.job); });
}

TEST(Prepare, LabelledText) {
  Workspace w;
  std::string tsv;
  for (const std::string& line : lines_of(w / "text/train.de")) tsv += "german\t" + line + "\n";
  for (const std::string& line : lines_of(w / "text/train.en")) tsv += "english\t" + line + "\n";
  w.write("train.tsv", tsv);
  w.write("valid.tsv", "english\tThe dog sleeps soundly.\ngerman\t\n");
  w.job.task.kind = "classification";
  w.job.task.train = "train.tsv";
  w.job.task.valid = "valid.tsv";
  w.job.task.test = "";
  const Prepared p = prepare(w.job);
  EXPECT_EQ(p.labels, (std::vector<std::string>{"english", "german"}));
  EXPECT_EQ(p.target_vocabulary, 2);
  const TokenDataset valid = TokenDataset::open(w / "data/valid");
  ASSERT_EQ(valid.size(), 2u);
  EXPECT_EQ(valid.label(0), 0);
  EXPECT_EQ(valid.label(1), 1);
}

TEST(Prepare, AKillBetweenTheTwoRenamesLosesNothing) {
  Workspace w;
  prepare(w.job);
  const std::string before = w.read("data/data.json");
  fs::rename(w / "data", w / ".data.old");
  // The next start fails, and yet the data are back.
  w.job.options.vocabulary_size = 20'000;
  expect_error(ErrorKind::kConfig, "at most", [&] { prepare(w.job); });
  EXPECT_EQ(w.read("data/data.json"), before);
  EXPECT_FALSE(fs::exists(w / ".data.old"));
  // With data/ in its place, an old folder is only left over.
  fs::create_directory(w / ".data.old");
  w.write(".data.old/data.json", "{}");
  w.job.options.vocabulary_size = 0;
  prepare(w.job);
  EXPECT_EQ(w.read("data/data.json"), before);
  EXPECT_FALSE(fs::exists(w / ".data.old"));
}

TEST(Prepare, ErrorsLeaveTheOldDataAndNothingElse) {
  Workspace w;
  prepare(w.job);
  const std::string before = w.read("data/data.json");
  const size_t entries = w.entries();
  w.job.options.vocabulary_size = 20'000;
  expect_error(ErrorKind::kConfig, "at most", [&] { prepare(w.job); });
  w.job.options.vocabulary_size = 0;
  w.job.options.max_tokens_per_sentence = 4;
  w.write("text/valid.de", "ein zwei drei vier fünf sechs sieben acht\n");
  w.write("text/valid.en", "one two three four five six seven eight nine\n");
  expect_error(ErrorKind::kData, "nothing is left", [&] { prepare(w.job); });
  w.write("text/valid.de", "ein\nzwei\n");
  expect_error(ErrorKind::kData, "lines", [&] { prepare(w.job); });
  EXPECT_EQ(w.read("data/data.json"), before);
  EXPECT_EQ(w.entries(), entries);
}

}  // namespace
}  // namespace hat::data
