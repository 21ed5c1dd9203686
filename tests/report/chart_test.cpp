#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

#include "hat/report/page.h"

namespace hat::report {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(RoundTicks, CoverTheRangeWithRoundNumbers) {
  EXPECT_EQ(round_ticks(0, 10, 6), (std::vector<double>{0, 2, 4, 6, 8, 10}));
  for (const auto& [low, high] : std::vector<std::pair<double, double>>{
           {0, 1}, {-3.2, 7.7}, {1e-6, 2e-6}, {99.5, 100.5}, {0, 1e9}, {5, 5}, {0, 0}}) {
    const std::vector<double> ticks = round_ticks(low, high, 6);
    ASSERT_GE(ticks.size(), 2U);
    ASSERT_LE(ticks.size(), 13U);
    EXPECT_LE(ticks.front(), low + 1e-9 * std::fabs(low));
    EXPECT_GE(ticks.back(), high - 1e-9 * std::fabs(high));
  }
}

TEST(Chart, LeavesOutWhatCannotBeDrawn) {
  Chart chart{"t", "x", "y", {{"a", Series::Style::kLine, {{0, 1, ""}, {1, NAN, ""}, {2, 3, ""}}}}};
  const std::string svg = to_svg(chart);
  EXPECT_THAT(svg, Not(HasSubstr("nan")));
  EXPECT_THAT(svg, HasSubstr("<path"));
  EXPECT_THAT(to_svg(Chart{"t", "x", "y", {}}), HasSubstr("nothing measured yet"));
}

TEST(Chart, TicksAreNotRounded) {
  Chart chart{"t", "x", "y", {{"a", Series::Style::kDots, {{0, 2.725, ""}, {1, 2.85, ""}}}}};
  EXPECT_THAT(to_svg(chart), HasSubstr(">2.825<"));
}

TEST(Chart, TextFromOutsideIsEscaped) {
  Chart chart{"<b>", "x & y", "\"", {{"<s>", Series::Style::kDots, {{1, 1, "<script>"}}}}};
  const std::string svg = to_svg(chart);
  EXPECT_THAT(svg, Not(HasSubstr("<script>")));
  EXPECT_THAT(svg, HasSubstr("&lt;b&gt;"));
}

TEST(Page, IsCompleteAndNeedsNothingFromOutside) {
  Page page("A & B");
  page.heading("One");
  page.table({{"name", "value"}, {"<x>", "1"}});
  page.preformatted("a < b");
  const std::string html = page.html();
  EXPECT_THAT(html, HasSubstr("<title>A &amp; B</title>"));
  EXPECT_THAT(html, HasSubstr("<td>&lt;x&gt;</td>"));
  EXPECT_THAT(html, Not(HasSubstr("http")));
  EXPECT_THAT(html, Not(HasSubstr("<script")));
}

}  // namespace
}  // namespace hat::report
