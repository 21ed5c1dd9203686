// PieceTokenizer against the SentencePiece library itself, on models that the library trained.
#include <gtest/gtest.h>
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <fstream>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/unicode.h"
#include "hat/data/tokenizer_trainer.h"
#include "hat/text/piece_tokenizer.h"
#include "testing/shared_data.h"

namespace hat::data {
namespace {

using Lines = std::vector<std::string>;
using Arguments = std::unordered_map<std::string, std::string>;

Lines read_lines(const std::filesystem::path& path) {
  Lines lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

class VectorIterator : public sentencepiece::SentenceIterator {
 public:
  explicit VectorIterator(const Lines& lines) : lines_(lines) {}
  bool done() const override { return next_ == lines_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return lines_[next_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const Lines& lines_;
  size_t next_ = 0;
};

std::string train(const Lines& lines, Arguments more) {
  Arguments arguments = {{"bos_id", "0"},      {"pad_id", "1"},      {"eos_id", "2"},
                         {"unk_id", "3"},      {"num_threads", "2"}, {"minloglevel", "3"},
                         {"vocab_size", "600"}};
  for (auto& [key, value] : more) arguments[key] = value;
  VectorIterator iterator(lines);
  std::string model;
  const auto status = sentencepiece::SentencePieceTrainer::Train(arguments, &iterator, &model);
  EXPECT_TRUE(status.ok()) << status.ToString();
  return model;
}

// Both encoders and both decoders on every line; stops after a few differences.
void expect_equal(const std::string& model, const Lines& lines) {
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(model).ok());
  const auto ours = text::PieceTokenizer::from_bytes(model, "test");
  ASSERT_EQ(ours.size(), library.GetPieceSize());
  int differences = 0;
  for (const std::string& line : lines) {
    const std::vector<int> expected = library.EncodeAsIds(line);
    const std::vector<int> got = ours.encode(line);
    EXPECT_EQ(got, expected) << line;
    EXPECT_EQ(ours.encode_pieces(line), library.EncodeAsPieces(line)) << line;
    EXPECT_EQ(ours.decode(expected), library.DecodeIds(expected)) << line;
    differences += ::testing::Test::HasFailure();
    if (differences > 3) return;
  }
}

// Words of several scripts, blanks of many kinds, combining marks, and bytes that are no UTF-8.
Lines strange_lines(size_t count, uint64_t seed) {
  Rng rng(seed);
  const std::vector<std::pair<char32_t, char32_t>> ranges = {
      {0x20, 0x7E},     {0xA0, 0x24F},    {0x300, 0x36F},     {0x370, 0x52F},     {0x590, 0x6FF},
      {0x900, 0x97F},   {0x1100, 0x11FF}, {0x2000, 0x206F},   {0x2070, 0x2BFF},   {0x3000, 0x30FF},
      {0x4E00, 0x4E40}, {0xFB00, 0xFFEF}, {0x1D400, 0x1D4FF}, {0x1F600, 0x1F64F}, {0, 0x1F}};
  Lines lines;
  for (size_t i = 0; i < count; ++i) {
    std::string line;
    const size_t length = rng.below(40);
    auto range = rng.choose(ranges);
    for (size_t k = 0; k < length; ++k) {
      if (rng.chance(0.15)) range = rng.choose(ranges);
      if (rng.chance(0.15)) line += rng.chance(0.3) ? "  " : " ";
      append_utf8(line,
                  range.first + static_cast<char32_t>(rng.below(range.second - range.first + 1)));
      if (rng.chance(0.02)) line += static_cast<char>(rng.below(256));
      if (rng.chance(0.02)) line += "\xE2\x96\x81";
    }
    lines.push_back(line);
  }
  lines.insert(lines.end(), {"", " ", "   ", "\t", "\xE3\x80\x80", "\xE2\x96\x81", "a ", " a  b "});
  return lines;
}

Lines generated_sentences(size_t count) {
  Rng rng(9);
  Lines stems;
  for (int i = 0; i < 300; ++i) {
    std::string stem;
    const size_t syllables = 1 + rng.below(3);
    for (size_t k = 0; k < syllables; ++k) {
      stem += "bdfgklmnprstvz"[rng.below(14)];
      stem += std::vector<std::string>{"a", "e", "i", "o", "u", "ä", "ö", "ei"}[rng.below(8)];
    }
    stems.push_back(stem);
  }
  Lines lines;
  for (size_t i = 0; i < count; ++i) {
    std::string line;
    const size_t words = 3 + rng.below(9);
    for (size_t k = 0; k < words; ++k) {
      if (k > 0) line += ' ';
      line += rng.choose(stems);
      if (rng.chance(0.4)) line += std::vector<std::string>{"en", "t", "er", "st"}[rng.below(4)];
    }
    lines.push_back(line + ".");
  }
  return lines;
}

TEST(PieceTokenizerEquality, UnigramOnGeneratedAndStrangeText) {
  const Lines text = generated_sentences(3000);
  const std::string model = train(text, {});
  expect_equal(model, text);
  expect_equal(model, strange_lines(3000, 1));
}

TEST(PieceTokenizerEquality, ByteFallbackUserDefinedAndControlPieces) {
  Lines text = generated_sentences(2000);
  const std::string model = train(text, {{"byte_fallback", "true"},
                                         {"user_defined_symbols", "<sep>,tten,++"},
                                         {"control_symbols", "<ctl>"},
                                         {"vocab_size", "800"}});
  for (size_t i = 0; i < text.size(); i += 2) text[i] += " x<sep>++ 中 <ctl> <s> ⁇ <unk> <0x41>";
  expect_equal(model, text);
  expect_equal(model, strange_lines(3000, 2));
}

TEST(PieceTokenizerEquality, BytePairEncoding) {
  const Lines text = generated_sentences(2000);
  expect_equal(train(text, {{"model_type", "bpe"}}), text);
  const std::string model =
      train(text, {{"model_type", "bpe"}, {"user_defined_symbols", "ten,<sep>"}});
  expect_equal(model, text);
  expect_equal(model, strange_lines(2000, 3));
}

TEST(PieceTokenizerEquality, NormaliserSettings) {
  const Lines text = generated_sentences(1000);
  const Lines strange = strange_lines(1500, 4);
  for (const Arguments& settings : std::vector<Arguments>{
           {{"normalization_rule_name", "identity"}},
           {{"normalization_rule_name", "nmt_nfkc_cf"}},
           {{"normalization_rule_name", "nfkc"}, {"add_dummy_prefix", "false"}},
           {{"remove_extra_whitespaces", "false"}},
           {{"remove_extra_whitespaces", "false"}, {"add_dummy_prefix", "false"}}}) {
    Arguments arguments = settings;
    arguments["vocab_size"] = "500";
    const std::string model = train(text, arguments);
    expect_equal(model, strange);
    expect_equal(model, {text.begin(), text.begin() + 300});
  }
}

TEST(PieceTokenizerEquality, DecodesAnyIds) {
  const Lines text = generated_sentences(1000);
  const std::string model = train(text, {{"byte_fallback", "true"}, {"vocab_size", "700"}});
  sentencepiece::SentencePieceProcessor library;
  ASSERT_TRUE(library.LoadFromSerializedProto(model).ok());
  const auto ours = text::PieceTokenizer::from_bytes(model, "test");
  Rng rng(6);
  for (int i = 0; i < 3000; ++i) {
    std::vector<int> ids(rng.below(15));
    for (int& id : ids) id = static_cast<int>(rng.below(rng.chance(0.5) ? 300 : 700));
    EXPECT_EQ(ours.decode(ids), library.DecodeIds(ids));
    if (::testing::Test::HasFailure()) return;
  }
}

TEST(PieceTokenizerEquality, HundredThousandRealLines) {
  const auto folder = testing::shared_dir() / "data";
  if (!std::filesystem::exists(folder / "tatoeba-de-en")) GTEST_SKIP() << "no " << folder;
  Lines lines;
  for (const char* name : {"multi30k-de-en/train.de", "multi30k-de-en/train.en",
                           "tatoeba-de-en/train.de", "tatoeba-de-en/train.en"}) {
    const Lines some = read_lines(folder / name);
    lines.insert(lines.end(), some.begin(), some.begin() + std::min<size_t>(some.size(), 27'000));
  }
  ASSERT_GE(lines.size(), 100'000u);
  const Lines sample(lines.begin(), lines.begin() + 20'000);
  expect_equal(train_tokenizer(sample, {}).model, lines);
}

TEST(TokenizerTrainer, SizesFollowTheData) {
  EXPECT_EQ(suggest_vocabulary_size(690'000, 28'000), 8000);
  EXPECT_EQ(suggest_vocabulary_size(200'000'000, 900'000), 32000);
  EXPECT_LT(suggest_vocabulary_size(300'000, 900), 700);
  const TrainedTokenizer small = train_tokenizer(generated_sentences(500), {});
  EXPECT_GT(small.vocabulary_size, 50);
  EXPECT_LT(small.vocabulary_size, 1000);
  const TrainedTokenizer tiny = train_tokenizer({"a b", "b c d"}, {});
  EXPECT_GT(tiny.vocabulary_size, 4);
}

TEST(TokenizerTrainer, SaysHowLargeAVocabularyMayBe) {
  TokenizerOptions options;
  options.vocabulary_size = 20'000;
  int most = 0;
  try {
    train_tokenizer(generated_sentences(500), options);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::kConfig);
    const size_t at = e.message().find("at most ");
    ASSERT_NE(at, std::string::npos) << e.message();
    most = std::atoi(e.message().c_str() + at + 8);
  }
  options.vocabulary_size = most;
  EXPECT_EQ(train_tokenizer(generated_sentences(500), options).vocabulary_size, most);
}

TEST(TokenizerTrainer, SameTextSameModel) {
  const Lines text = generated_sentences(800);
  EXPECT_EQ(train_tokenizer(text, {}).model, train_tokenizer(text, {}).model);
}

}  // namespace
}  // namespace hat::data
