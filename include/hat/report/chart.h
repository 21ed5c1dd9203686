#pragma once

#include <string>
#include <vector>

namespace hat::report {

struct Point {
  double x = 0;
  double y = 0;
  std::string label;  ///< shown when the pointer rests on it; may be empty
};

struct Series {
  enum class Style { kLine, kDots, kSteps };
  std::string name;
  Style style = Style::kLine;
  std::vector<Point> points;
};

/// One chart as a stand-alone SVG element without scripts: axes with round ticks, a legend when
/// there is more than one series. Points that are not finite are left out; a chart without points
/// says so.
struct Chart {
  std::string title;
  std::string x_axis;  ///< with its unit: "latency, ms"
  std::string y_axis;
  std::vector<Series> series;
  bool diagonal = false;  ///< draw y = x (predicted against measured), same range on both axes
  bool y_from_zero = false;
  double vertical_line = 0;  ///< a budget, drawn when not 0
  std::string vertical_label = {};
};
std::string to_svg(const Chart& chart);

/// Round numbers that cover [low, high], about `count` of them; at least two.
std::vector<double> round_ticks(double low, double high, int count);

/// Text safe inside HTML and attribute values.
std::string escape_html(const std::string& text);

}  // namespace hat::report
