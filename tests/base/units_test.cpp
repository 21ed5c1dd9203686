#include "hat/base/units.h"

#include "testing/expect_error.h"

namespace hat {
namespace {

using testing::expect_error;

TEST(Units, Durations) {
  EXPECT_DOUBLE_EQ(parse_duration_ms("200ms"), 200);
  EXPECT_DOUBLE_EQ(parse_duration_ms("1.5s"), 1500);
  EXPECT_DOUBLE_EQ(parse_duration_ms("800us"), 0.8);
  EXPECT_DOUBLE_EQ(parse_duration_ms("2min"), 120'000);
  EXPECT_DOUBLE_EQ(parse_duration_ms(" 2 h "), 7'200'000);
  EXPECT_DOUBLE_EQ(parse_duration_ms("1e3ms"), 1000);
}

TEST(Units, Bytes) {
  EXPECT_DOUBLE_EQ(parse_energy_j("120mJ"), 0.12);
  EXPECT_DOUBLE_EQ(parse_energy_j("1.5 J"), 1.5);
  EXPECT_DOUBLE_EQ(parse_bytes("20MB"), 20e6);
  EXPECT_DOUBLE_EQ(parse_bytes("512KB"), 512e3);
  EXPECT_DOUBLE_EQ(parse_bytes("1.5GB"), 1.5e9);
  EXPECT_DOUBLE_EQ(parse_bytes("100B"), 100);
  EXPECT_DOUBLE_EQ(parse_bytes("2KiB"), 2048);
  EXPECT_DOUBLE_EQ(parse_bytes("1 mib"), 1048576);
}

TEST(Units, Counts) {
  EXPECT_DOUBLE_EQ(parse_count("30M"), 30e6);
  EXPECT_DOUBLE_EQ(parse_count("2.5G"), 2.5e9);
  EXPECT_DOUBLE_EQ(parse_count("1500000"), 1.5e6);
  EXPECT_DOUBLE_EQ(parse_count("10k"), 10e3);
}

TEST(Units, AMissingUnitIsAnErrorThatSaysSo) {
  expect_error(ErrorKind::kUsage, "has no unit", [] { parse_duration_ms("200"); });
  expect_error(ErrorKind::kUsage, "has no unit", [] { parse_bytes("20"); });
  expect_error(ErrorKind::kUsage, "has no unit", [] { parse_energy_j("2"); });
  try {
    parse_duration_ms("200");
  } catch (const Error& error) {
    EXPECT_THAT(error.hint(), ::testing::HasSubstr("200ms"));
  }
}

TEST(Units, AnUnknownUnitIsNamed) {
  expect_error(ErrorKind::kUsage, "unknown unit 'msec'", [] { parse_duration_ms("200msec"); });
  expect_error(ErrorKind::kUsage, "unknown unit 'XB'", [] { parse_bytes("1XB"); });
  expect_error(ErrorKind::kUsage, "unknown unit 'm'", [] { parse_count("30m"); });
  expect_error(ErrorKind::kUsage, "unknown unit ',5s'", [] { parse_duration_ms("1,5s"); });
}

TEST(Units, NonsenseIsRefused) {
  for (const char* wrong :
       {"", "ms", "abc", "--1ms", "1e999ms", "nans", "infs", "-5ms", "1e306h"}) {
    expect_error(ErrorKind::kUsage, wrong, [&] { parse_duration_ms(wrong); });
  }
  expect_error(ErrorKind::kUsage, "negative", [] { parse_count("-1"); });
  expect_error(ErrorKind::kUsage, "too large", [] { parse_bytes("1e299TB"); });
}

}  // namespace
}  // namespace hat
