#include "hat/text/piece_tokenizer.h"

#include <gtest/gtest.h>

#include <cstring>

#include "hat/base/rng.h"
#include "testing/expect_error.h"

namespace hat::text {
namespace {

using ::hat::testing::expect_error;

// Protobuf by hand, so that these tests need no library.
std::string varint(uint64_t value) {
  std::string bytes;
  for (; value >= 0x80; value >>= 7) bytes += static_cast<char>(value | 0x80);
  return bytes + static_cast<char>(value);
}
std::string text_field(int number, const std::string& content) {
  return varint(static_cast<uint64_t>(number) << 3 | 2) + varint(content.size()) + content;
}
std::string number_field(int number, uint64_t value) {
  return varint(static_cast<uint64_t>(number) << 3) + varint(value);
}
std::string float_field(int number, float value) {
  std::string bytes(4, '\0');
  std::memcpy(bytes.data(), &value, 4);
  return varint(static_cast<uint64_t>(number) << 3 | 5) + bytes;
}
std::string piece(const std::string& text, float score, int type = 1) {
  return text_field(1, text_field(1, text) + float_field(2, score) +
                           number_field(3, static_cast<uint64_t>(type)));
}

std::string special_pieces() {
  return piece("<s>", 0, 3) + piece("<pad>", 0, 3) + piece("</s>", 0, 3) + piece("<unk>", 0, 2);
}

// 4 ▁, 5 ▁ab, 6 a, 7 b, 8 ab, 9 c
std::string small_model() {
  return special_pieces() + piece("▁", -3) + piece("▁ab", -2) + piece("a", -4) + piece("b", -4) +
         piece("ab", -5) + piece("c", -4);
}

using Ids = std::vector<int>;

TEST(PieceTokenizer, FindsTheMostProbablePieces) {
  const auto t = PieceTokenizer::from_bytes(small_model(), "test");
  EXPECT_EQ(t.encode("ab"), (Ids{5}));
  EXPECT_EQ(t.encode("ab cab"), (Ids{5, 4, 9, 8}));
  EXPECT_EQ(t.encode("  ab   c "), (Ids{5, 4, 9}));
  EXPECT_EQ(t.encode(""), Ids{});
  EXPECT_EQ(t.encode("   "), Ids{});
  EXPECT_EQ(t.encode("axyzb"), (Ids{4, 6, 3, 7}));  // a run of unknown characters is one unk
  EXPECT_EQ(t.encode_pieces("axyb"), (std::vector<std::string>{"▁", "a", "xy", "b"}));
  EXPECT_EQ(t.id("ab"), 8);
  EXPECT_EQ(t.id("</s>"), 2);
  EXPECT_EQ(t.id("nothing"), 3);
  t.check_special_ids("test");
}

TEST(PieceTokenizer, DecodesToText) {
  const auto t = PieceTokenizer::from_bytes(small_model(), "test");
  EXPECT_EQ(t.decode(Ids{0, 5, 4, 9, 8, 2, 1, 1}), "ab cab");
  EXPECT_EQ(t.decode(Ids{}), "");
  EXPECT_EQ(t.decode(Ids{5, 3, 9}), "ab ⁇ c");
  expect_error(ErrorKind::kData, "vocabulary", [&] { t.decode(Ids{10}); });
  expect_error(ErrorKind::kData, "vocabulary", [&] { t.decode(Ids{-1}); });
}

TEST(PieceTokenizer, UserDefinedPiecesStayWhole) {
  const auto t = PieceTokenizer::from_bytes(small_model() + piece("bc", 0, 4), "test");
  EXPECT_EQ(t.encode("cbc"), (Ids{4, 9, 10}));
}

TEST(PieceTokenizer, RefusesModelsItCannotRepresent) {
  const auto load = [](const std::string& model) {
    return [model] { PieceTokenizer::from_bytes(model, "m.model"); };
  };
  expect_error(ErrorKind::kData, "m.model", load(""));
  expect_error(ErrorKind::kData, "m.model", load("hello, this is no model"));
  expect_error(ErrorKind::kData, "no unknown", load(piece("a", 0)));
  expect_error(ErrorKind::kData, "twice", load(small_model() + piece("ab", 0)));
  expect_error(ErrorKind::kData, "two unknown", load(small_model() + piece("<u>", 0, 2)));
  expect_error(ErrorKind::kData, "empty piece", load(small_model() + piece("", 0)));
  expect_error(ErrorKind::kData, "no number", load(small_model() + piece("x", 0.0f / 0.0f)));
  expect_error(ErrorKind::kData, "byte piece", load(small_model() + piece("<0x41>", 0, 6)));
  expect_error(ErrorKind::kData, "word and character",
               load(small_model() + text_field(2, number_field(3, 3))));
  expect_error(ErrorKind::kData, "suffix",
               load(small_model() + text_field(2, number_field(24, 1))));
  expect_error(ErrorKind::kData, "normalisation table",
               load(small_model() + text_field(3, text_field(2, "abc"))));
  expect_error(ErrorKind::kData, "ends too early", load(small_model() + "\x0A\x7F"));
  const auto t = PieceTokenizer::from_bytes(piece("<unk>", 0, 2) + piece("a", 0), "test");
  expect_error(ErrorKind::kData, "first four", [&] { t.check_special_ids("test"); });
}

TEST(PieceTokenizer, DamagedModelsNeverCrash) {
  // a charsmap with a table of one unit: damage then lands in lengths, units and strings alike
  const std::string charsmap =
      std::string("\x08\x00\x00\x00", 4) + std::string(8, '\x11') + std::string("x\0y\0", 4);
  const std::string good =
      small_model() + text_field(3, text_field(2, charsmap)) + text_field(2, number_field(3, 2));
  Rng rng(17);
  int loaded = 0;
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes = good;
    const uint64_t damages = 1 + rng.below(4);
    for (uint64_t k = 0; k < damages; ++k) {
      bytes[rng.below(bytes.size())] = static_cast<char>(rng.below(256));
    }
    if (rng.chance(0.2)) bytes.resize(rng.below(bytes.size()));
    try {
      const auto t = PieceTokenizer::from_bytes(bytes, "damaged");
      ++loaded;
      for (int id : t.encode("ab cab \xFF äbc \x11\x11")) EXPECT_LT(id, t.size());
      t.decode(Ids{0});
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::kData);
    }
  }
  EXPECT_GT(loaded, 0);
}

TEST(PieceTokenizer, LongTextsTakeLinearTime) {
  const auto t = PieceTokenizer::from_bytes(small_model(), "test");
  std::string text;
  for (int i = 0; i < 200'000; ++i) text += "abc ";
  EXPECT_EQ(t.encode(text).size(), 400'000u);
}

}  // namespace
}  // namespace hat::text
