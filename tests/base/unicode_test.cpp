#include "hat/base/unicode.h"

#include <gtest/gtest.h>

#include "hat/base/rng.h"
#include "hat/base/strings.h"

namespace hat {
namespace {

TEST(Unicode, RoundTripsEveryCodePoint) {
  for (char32_t code = 0; code <= 0x10FFFF; code += code < 0x3000 ? 1 : 37) {
    if (code >= 0xD800 && code < 0xE000) continue;
    std::string text;
    append_utf8(text, code);
    ASSERT_TRUE(is_valid_utf8(text)) << static_cast<uint32_t>(code);
    ASSERT_EQ(decode_utf8(text), std::u32string(1, code));
  }
}

TEST(Unicode, InvalidBytesBecomeOneReplacementEach) {
  const auto decoded = [](std::string_view text) { return decode_utf8(text); };
  EXPECT_EQ(decoded("a\xFFz"), U"a\uFFFDz");
  EXPECT_EQ(decoded("\xC3"), U"\uFFFD");
  EXPECT_EQ(decoded("\xC0\x80"), U"\uFFFD\uFFFD");            // overlong
  EXPECT_EQ(decoded("\xED\xA0\x80"), U"\uFFFD\uFFFD\uFFFD");  // a surrogate
  EXPECT_EQ(decoded("\xF4\x90\x80\x80"), U"\uFFFD\uFFFD\uFFFD\uFFFD");
  EXPECT_EQ(decoded("\xE2\x82"), U"\uFFFD\uFFFD");
}

TEST(Unicode, AgreesWithTheValidityCheckOnRandomBytes) {
  Rng rng(3);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(rng.below(8), ' ');
    for (char& c : bytes) {
      c = static_cast<char>(rng.chance(0.5) ? rng.below(256) : 0x80 | rng.below(128));
    }
    const bool round_trips = encode_utf8(decode_utf8(bytes)) == bytes;
    EXPECT_EQ(round_trips, is_valid_utf8(bytes));
  }
}

TEST(Unicode, Categories) {
  for (char32_t c : std::u32string(U"!\"%*,-./:;?@[]_{}«»„“…、。")) {
    EXPECT_TRUE(is_punctuation(c)) << static_cast<uint32_t>(c);
  }
  for (char32_t c : std::u32string(U"$+<=>^`|~€©→☃😀")) {
    EXPECT_TRUE(is_symbol(c)) << static_cast<uint32_t>(c);
  }
  for (char32_t c : std::u32string(U"0129٣४½Ⅷ²")) {
    EXPECT_TRUE(is_number(c)) << static_cast<uint32_t>(c);
  }
  for (char32_t c : std::u32string(U"aZäß中あ \t")) {
    EXPECT_FALSE(is_punctuation(c) || is_symbol(c) || is_number(c));
  }
  EXPECT_TRUE(is_white_space(0x3000));
  EXPECT_TRUE(is_white_space(0x1C));
  EXPECT_FALSE(is_white_space(0x200B));
}

TEST(Unicode, LowerCase) {
  EXPECT_EQ(to_lower(U"ÄÖÜẞ ÉÇ ДЖ Ā Ǆ"), U"äöüß éç дж ā ǆ");
  EXPECT_EQ(to_lower(U"ΟΔΟΣ ΣΑΣ. Σ"), U"οδος σας. σ");
  EXPECT_EQ(to_lower(U"İ"), U"i\u0307");
  EXPECT_EQ(to_lower(U"𐐀"), U"𐐨");
  EXPECT_EQ(to_lower(U'a'), U'a');
}

TEST(Unicode, Splitting) {
  using Words = std::vector<std::u32string>;
  EXPECT_EQ(split_white_space(U" a\u00A0b\u3000\tc "), (Words{U"a", U"b", U"c"}));
  EXPECT_EQ(split_white_space(U""), Words{});
  EXPECT_EQ(strip_right(U" a \u2003\n"), U" a");
}

}  // namespace
}  // namespace hat
