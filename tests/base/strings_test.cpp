#include "hat/base/strings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace hat {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using namespace std::string_literals;

TEST(Strings, SplitKeepsEmptyPieces) {
  EXPECT_THAT(split("a,,b,", ','), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(split("", ','), ElementsAre(""));
}

TEST(Strings, SplitWordsDropsThem) {
  EXPECT_THAT(split_words(" \t a  b\tc "), ElementsAre("a", "b", "c"));
  EXPECT_THAT(split_words("word"), ElementsAre("word"));
  EXPECT_THAT(split_words(" \t"), IsEmpty());
  // A no-break space is part of a word: only spaces and tabs separate.
  EXPECT_THAT(split_words("a\u00A0b"), ElementsAre("a\u00A0b"));
}

TEST(Strings, TrimJoinLower) {
  EXPECT_EQ(trim("\r\n a b \t"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(join({}, ", "), "");
  EXPECT_EQ(join({"a", "", "b"}, ", "), "a, , b");
  EXPECT_EQ(to_lower_ascii("ÄBC"), "Äbc");
}

TEST(NearestName, FindsTypingSlips) {
  const std::vector<std::string> names = {"latency_ms", "max_tokens", "seed", "lr", "dropout"};
  EXPECT_EQ(nearest_name("latncy_ms", names), "latency_ms");
  EXPECT_EQ(nearest_name("max-tokens", names), "max_tokens");
  EXPECT_EQ(nearest_name("Max_Tokens", names), "max_tokens");
  EXPECT_EQ(nearest_name("sede", names), "seed");  // two swapped letters are one slip
  EXPECT_EQ(nearest_name("drop_out", names), "dropout");
  EXPECT_EQ(nearest_name("latency", names), "latency_ms");
}

TEST(NearestName, LeavesUnrelatedNamesAlone) {
  const std::vector<std::string> names = {"latency_ms", "seed", "lr"};
  EXPECT_EQ(nearest_name("vocabulary", names), "");
  EXPECT_EQ(nearest_name("ab", names), "");
  EXPECT_EQ(nearest_name("", names), "");
  EXPECT_EQ(nearest_name("x", names), "");
  EXPECT_EQ(nearest_name("seed", {}), "");
  EXPECT_EQ(nearest_name(std::string(1 << 20, 's'), names), "");
}

TEST(NearestName, TakesTheNearestAndTheFirstOfEqual) {
  EXPECT_EQ(nearest_name("beams", {"beats", "beam", "bears"}), "beats");
  EXPECT_EQ(nearest_name("beam", {"beams", "beam"}), "beam");
}

TEST(NearestName, DidYouMeanIsASentenceOrNothing) {
  EXPECT_EQ(did_you_mean("sede", {"seed"}), " Did you mean 'seed'?");
  EXPECT_EQ(did_you_mean("unrelated", {"seed"}), "");
}

TEST(Format, FixedDigits) {
  EXPECT_EQ(fixed(3.14159, 2), "3.14");
  EXPECT_EQ(fixed(2.0, 0), "2");
  EXPECT_EQ(fixed(-0.001, 2), "0.00");
  EXPECT_EQ(fixed(-0.006, 2), "-0.01");
  EXPECT_EQ(fixed(std::numeric_limits<double>::max(), 3).size(), 309u + 4);
  EXPECT_EQ(fixed(std::numeric_limits<double>::infinity(), 1), "inf");
}

TEST(Format, Commas) {
  EXPECT_EQ(with_commas(0), "0");
  EXPECT_EQ(with_commas(999), "999");
  EXPECT_EQ(with_commas(1000), "1,000");
  EXPECT_EQ(with_commas(1234567), "1,234,567");
  EXPECT_EQ(with_commas(UINT64_MAX), "18,446,744,073,709,551,615");
}

TEST(Format, DurationsChangeUnitWhereRoundingDoes) {
  EXPECT_EQ(format_duration_ms(0), "0 ms");
  EXPECT_EQ(format_duration_ms(0.85), "850 us");
  EXPECT_EQ(format_duration_ms(0.9996), "1.00 ms");
  EXPECT_EQ(format_duration_ms(12.34), "12.3 ms");
  EXPECT_EQ(format_duration_ms(200), "200 ms");
  EXPECT_EQ(format_duration_ms(999.6), "1.0 s");
  EXPECT_EQ(format_duration_ms(4500), "4.5 s");
  EXPECT_EQ(format_duration_ms(59'949), "59.9 s");
  EXPECT_EQ(format_duration_ms(59'960), "1 min 0 s");
  EXPECT_EQ(format_duration_ms(200'000), "3 min 20 s");
  EXPECT_EQ(format_duration_ms(3'599'900), "1 h 0 min");
  EXPECT_EQ(format_duration_ms(7'500'000), "2 h 5 min");
  EXPECT_EQ(format_duration_ms(-12.34), "-12.3 ms");
  EXPECT_EQ(format_duration_ms(std::nan("")), "unknown");
}

TEST(Format, BytesAndCounts) {
  EXPECT_EQ(format_bytes(512), "512 B");
  EXPECT_EQ(format_bytes(61.4e6), "61.4 MB");
  EXPECT_EQ(format_bytes(999.9e6), "1.00 GB");
  EXPECT_EQ(format_count(950), "950");
  EXPECT_EQ(format_count(25.2e6), "25.2 M");
  EXPECT_EQ(format_count(1.53e9), "1.53 G");
  EXPECT_EQ(format_count(9.996e3), "10.0 k");
  EXPECT_EQ(format_count(0), "0");
  EXPECT_EQ(format_count(0.5), "0.50");
  EXPECT_EQ(format_count(-2e6), "-2.00 M");
}

TEST(Utf8, AcceptsWhatUnicodeDefines) {
  EXPECT_TRUE(is_valid_utf8(""));
  EXPECT_TRUE(is_valid_utf8("plain"));
  EXPECT_TRUE(is_valid_utf8("\0 in it"s));
  EXPECT_TRUE(is_valid_utf8("Grüße, 世界 🌍"));
  EXPECT_TRUE(
      is_valid_utf8("\xC2\x80\xDF\xBF\xE0\xA0\x80\xEF\xBF\xBF\xF0\x90\x80\x80\xF4\x8F\xBF\xBF"));
  EXPECT_TRUE(is_valid_utf8("\xED\x9F\xBF\xEE\x80\x80"));  // both neighbours of the surrogates
}

TEST(Utf8, RejectsWhatItDoesNotAndNamesTheByte) {
  EXPECT_EQ(find_invalid_utf8("ab\x80"), 2u);            // continuation without a lead
  EXPECT_EQ(find_invalid_utf8("ü\xC0\xAF"), 2u);         // overlong '/'
  EXPECT_EQ(find_invalid_utf8("\xC1\xBF"), 0u);          // overlong
  EXPECT_EQ(find_invalid_utf8("\xE0\x9F\xBF"), 0u);      // overlong
  EXPECT_EQ(find_invalid_utf8("\xF0\x8F\xBF\xBF"), 0u);  // overlong
  EXPECT_EQ(find_invalid_utf8("\xED\xA0\x80"), 0u);      // surrogate U+D800
  EXPECT_EQ(find_invalid_utf8("\xED\xBF\xBF"), 0u);      // surrogate U+DFFF
  EXPECT_EQ(find_invalid_utf8("\xF4\x90\x80\x80"), 0u);  // U+110000
  EXPECT_EQ(find_invalid_utf8("\xF5\x80\x80\x80"), 0u);
  EXPECT_EQ(find_invalid_utf8("a\xFF"), 1u);
  EXPECT_EQ(find_invalid_utf8("a\xE4\xB8"), 1u);  // cut short
  EXPECT_EQ(find_invalid_utf8("\xE4\xB8x"), 0u);
  EXPECT_EQ(find_invalid_utf8("Gr\xFC\xDF"), 2u);  // Latin-1
}

TEST(ParseNumber, TakesTheWholeTextOrNothing) {
  int64_t i = -7;
  EXPECT_TRUE(parse_int("-42", &i));
  EXPECT_EQ(i, -42);
  EXPECT_TRUE(parse_int("9223372036854775807", &i));
  for (const char* wrong : {"", " 1", "1 ", "1x", "1.0", "0x10", "9223372036854775808", "+-1"}) {
    i = 5;
    EXPECT_FALSE(parse_int(wrong, &i)) << wrong;
    EXPECT_EQ(i, 5) << wrong;
  }
  double d = 0;
  EXPECT_TRUE(parse_double("-1.5e3", &d));
  EXPECT_EQ(d, -1500);
  for (const char* wrong : {"", "1.5 ", "1,5", "1e400", "inf", "nan", "1.5.2"}) {
    d = 5;
    EXPECT_FALSE(parse_double(wrong, &d)) << wrong;
    EXPECT_EQ(d, 5) << wrong;
  }
}

}  // namespace
}  // namespace hat
