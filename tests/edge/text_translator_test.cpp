#include "hat/edge/text_translator.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>

#include "edge/small_models.h"
#include "hat/base/error.h"

namespace hat::edge {
namespace {

using testing::letter_tokenizer;
using testing::small_model;
using testing::small_spec;

std::shared_ptr<const Model> text_model() {
  auto spec = small_spec();
  spec.source_tokenizer = letter_tokenizer();
  return small_model(spec);
}

TextOptions quick() {
  TextOptions options;
  options.translate.beam = 2;
  options.translate.max_length_b = 10;
  options.segment_tokens = 20;
  return options;
}

std::vector<std::string> odd_lines() {
  std::vector<std::string> lines = {"the king sings.",
                                    "",
                                    "   \t ",
                                    "a",
                                    "\xff\xfe broken \xc3",
                                    std::string("nul\0byte", 8),
                                    "\x01\x02\x7f controls",
                                    "\xe2\x80\xa8 line separator",
                                    std::string(3000, 'z')};
  std::string long_line;
  while (long_line.size() < 100'000) long_line += "the thing ";
  lines.push_back(long_line);
  return lines;
}

TEST(TextTranslator, GivesOneLineForEachLine) {
  TextTranslator translator(text_model(), 1);
  const auto lines = odd_lines();
  const auto results = translator.translate(lines, quick());
  ASSERT_EQ(results.size(), lines.size());
  for (const auto& result : results) {
    ASSERT_EQ(result.size(), 1U);
    EXPECT_EQ(result[0].text.find('\n'), std::string::npos);
  }
  EXPECT_EQ(results[1][0].text, "");
  EXPECT_EQ(results[2][0].text, "");
  EXPECT_NE(results[0][0].text, "");
}

TEST(TextTranslator, BatchesDoNotChangeTranslations) {
  TextTranslator translator(text_model(), 2);
  const auto lines = odd_lines();
  const auto together = translator.translate(lines, quick());
  for (size_t i = 0; i + 1 < lines.size(); ++i)
    EXPECT_EQ(translator.translate({lines[i]}, quick())[0][0].text, together[i][0].text);
}

TEST(TextTranslator, StreamsInOrder) {
  TextTranslator translator(text_model(), 1);
  std::vector<std::string> lines;
  for (int i = 0; i < 50; ++i) lines.push_back(std::string(static_cast<size_t>(i * 7 % 23), 'k'));
  auto options = quick();
  options.window_lines = 8;
  options.max_batch = 3;
  std::vector<std::string> streamed;
  size_t next = 0;
  translator.translate_stream(
      [&](bool wait) -> std::optional<std::string> {
        // Every third line is not there yet when asked without waiting.
        if (next == lines.size() || (!wait && next % 3 == 0)) return std::nullopt;
        return lines[next++];
      },
      options, [&](const auto& results) { streamed.push_back(results[0].text); });
  const auto expected = translator.translate(lines, options);
  ASSERT_EQ(streamed.size(), lines.size());
  for (size_t i = 0; i < lines.size(); ++i) EXPECT_EQ(streamed[i], expected[i][0].text);
}

TEST(TextTranslator, GivesBestListsScoresAndWordAlignments) {
  TextTranslator translator(text_model(), 1);
  auto options = quick();
  options.translate.n_best = 2;
  options.translate.alignment = true;
  options.prefix = "the";
  const auto results = translator.translate({"the king sings"}, options)[0];
  ASSERT_EQ(results.size(), 2U);
  EXPECT_GE(results[0].score, results[1].score);
  EXPECT_EQ(results[0].text.substr(0, 3), "the");
  EXPECT_FALSE(results[0].alignment.empty());
  for (const char c : results[0].alignment)
    EXPECT_NE(std::string("0123456789- ").find(c), std::string::npos);
}

TEST(TextTranslator, TranslatesTokenIdsWithoutATokenizer) {
  const auto model = small_model(small_spec());
  TextTranslator translator(model, 2, LineFormat::kIds);
  auto options = quick();
  options.translate.n_best = 2;
  options.translate.alignment = true;
  const auto results = translator.translate({"5 6 7 2", "", "9 9 9"}, options);
  ASSERT_EQ(results.size(), 3U);
  Translator plain(model);
  const auto expected = plain.translate({5, 6, 7, 2}, options.translate);
  ASSERT_EQ(results[0].size(), expected.size());
  for (size_t n = 0; n < expected.size(); ++n) {
    std::string ids;
    for (const int token : expected[n].tokens)
      ids += (ids.empty() ? "" : " ") + std::to_string(token);
    EXPECT_EQ(results[0][n].text, ids);
    EXPECT_EQ(results[0][n].score, expected[n].score);
    auto pairs = expected[n].alignment;
    std::sort(pairs.begin(), pairs.end());
    EXPECT_EQ(results[0][n].alignment, moses_alignment(pairs));
  }
  EXPECT_EQ(results[1][0].text, "");
  for (const char* wrong : {"5 six", "5 -1", "5 99999999999", "70"})
    EXPECT_THROW(translator.translate({wrong}, options), Error) << wrong;
}

TEST(TextTranslator, NeedsATokenizerThatFits) {
  EXPECT_THROW(TextTranslator(small_model(small_spec()), 1), Error);
  auto spec = small_spec();
  spec.vocabulary = {20, 20};
  spec.source_tokenizer = letter_tokenizer();
  EXPECT_THROW(TextTranslator(small_model(spec), 1), Error);
  spec = small_spec();
  spec.source_tokenizer = "this is no tokenizer";
  EXPECT_THROW(TextTranslator(small_model(spec), 1), Error);
}

TEST(DescriptorLines, ReadsLinesOfAnyKind) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string text = std::string("one\r\n\ntwo") + '\0' + "x\nlast";
  ASSERT_EQ(::write(ends[1], text.data(), text.size()), static_cast<ssize_t>(text.size()));
  DescriptorLines lines(ends[0]);
  EXPECT_EQ(lines.next(true), "one");
  EXPECT_EQ(lines.next(false), "");
  EXPECT_EQ(lines.next(false), std::string("two\0x", 5));
  EXPECT_EQ(lines.next(false), std::nullopt);
  ::close(ends[1]);
  EXPECT_EQ(lines.next(true), "last");
  EXPECT_EQ(lines.next(true), std::nullopt);
  ::close(ends[0]);
}

TEST(DescriptorLines, DropsTheRestOfAnEndlessLine) {
  const auto path = fs::path(::testing::TempDir()) / "endless.txt";
  write_file_atomic(path, std::string(3 * DescriptorLines::kMaxLineBytes, 'x') + "\nnext\n");
  std::FILE* file = std::fopen(path.c_str(), "rb");
  ASSERT_NE(file, nullptr);
  DescriptorLines lines(::fileno(file));
  EXPECT_EQ(lines.next(true)->size(), DescriptorLines::kMaxLineBytes);
  EXPECT_EQ(lines.next(true), "next");
  EXPECT_EQ(lines.next(true), std::nullopt);
  std::fclose(file);
  fs::remove(path);
}

}  // namespace
}  // namespace hat::edge
