#include "hat/report/chart.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hat/base/strings.h"

namespace hat::report {
namespace {

constexpr double kWidth = 640;
constexpr double kHeight = 360;
constexpr double kLeft = 66;
constexpr double kRight = 16;
constexpr double kTop = 40;
constexpr double kBottom = 50;
/// Distinguishable without colour vision (Okabe and Ito).
constexpr const char* kColours[] = {"#0072b2", "#d55e00", "#009e73",
                                    "#cc79a7", "#e69f00", "#56b4e9"};
constexpr size_t kColourCount = sizeof kColours / sizeof kColours[0];

struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();
  bool empty() const { return low > high; }
  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

bool drawable(const Point& p) { return std::isfinite(p.x) && std::isfinite(p.y); }

std::string tick_text(double value, double step) {
  int digits = 0;  // as many as tell neighbouring ticks apart without rounding them: 0.025 needs 3
  for (double scaled = step; digits < 6 && std::fabs(scaled - std::round(scaled)) > 1e-6;
       ++digits) {
    scaled *= 10;
  }
  return std::fabs(value) >= 1e6 ? format_count(value) : fixed(value == 0 ? 0 : value, digits);
}

/// Maps data to the pixels of the plot's frame.
class Frame {
 public:
  Frame(const Range& x, const Range& y)
      : x_ticks_(round_ticks(x.low, x.high, 7)), y_ticks_(round_ticks(y.low, y.high, 6)) {}

  std::string x(double value) const {
    const double share = (value - x_ticks_.front()) / (x_ticks_.back() - x_ticks_.front());
    return fixed(kLeft + share * (kWidth - kLeft - kRight), 1);
  }
  std::string y(double value) const {
    const double share = (value - y_ticks_.front()) / (y_ticks_.back() - y_ticks_.front());
    return fixed(kHeight - kBottom - share * (kHeight - kTop - kBottom), 1);
  }
  bool holds_x(double value) const { return value >= x_ticks_.front() && value <= x_ticks_.back(); }
  double low_corner() const { return std::max(x_ticks_.front(), y_ticks_.front()); }
  double high_corner() const { return std::min(x_ticks_.back(), y_ticks_.back()); }

  std::string axes(const Chart& chart) const {
    const std::string left = fixed(kLeft, 1);
    const std::string right = fixed(kWidth - kRight, 1);
    const std::string bottom = fixed(kHeight - kBottom, 1);
    std::string out;
    for (const double tick : y_ticks_) {
      out += str("<line class=\"grid\" x1=\"", left, "\" x2=\"", right, "\" y1=\"", y(tick),
                 "\" y2=\"", y(tick), "\"/><text class=\"tick\" text-anchor=\"end\" x=\"",
                 kLeft - 7, "\" y=\"", y(tick), "\" dy=\"4\">",
                 tick_text(tick, y_ticks_[1] - y_ticks_[0]), "</text>\n");
    }
    for (const double tick : x_ticks_) {
      out += str("<text class=\"tick\" text-anchor=\"middle\" x=\"", x(tick), "\" y=\"",
                 kHeight - kBottom + 17, "\">", tick_text(tick, x_ticks_[1] - x_ticks_[0]),
                 "</text>\n");
    }
    out += str("<line class=\"axis\" x1=\"", left, "\" x2=\"", right, "\" y1=\"", bottom,
               "\" y2=\"", bottom, "\"/>\n");
    out += str("<text class=\"name\" text-anchor=\"middle\" x=\"", (kLeft + kWidth - kRight) / 2,
               "\" y=\"", kHeight - 10, "\">", escape_html(chart.x_axis), "</text>\n");
    const double middle = (kTop + kHeight - kBottom) / 2;
    out += str("<text class=\"name\" text-anchor=\"middle\" transform=\"translate(14 ", middle,
               ") rotate(-90)\">", escape_html(chart.y_axis), "</text>\n");
    return out;
  }

 private:
  std::vector<double> x_ticks_;
  std::vector<double> y_ticks_;
};

std::string draw_line(const Series& series, const Frame& frame, const std::string& colour) {
  std::string path;
  std::string last_y;
  for (const Point& p : series.points) {
    if (!drawable(p)) continue;
    if (path.empty()) {
      path = str("M", frame.x(p.x), " ", frame.y(p.y));
    } else if (series.style == Series::Style::kSteps) {
      path += str(" L", frame.x(p.x), " ", last_y, " L", frame.x(p.x), " ", frame.y(p.y));
    } else {
      path += str(" L", frame.x(p.x), " ", frame.y(p.y));
    }
    last_y = frame.y(p.y);
  }
  return str("<path fill=\"none\" stroke-width=\"2\" stroke=\"", colour, "\" d=\"", path, "\"/>\n");
}

std::string draw_dots(const Series& series, const Frame& frame, const std::string& colour) {
  std::string out = str("<g fill=\"", colour, "\" fill-opacity=\"0.7\">\n");
  for (const Point& p : series.points) {
    if (!drawable(p)) continue;
    out += str("<circle r=\"3.5\" cx=\"", frame.x(p.x), "\" cy=\"", frame.y(p.y), "\">",
               p.label.empty() ? "" : "<title>" + escape_html(p.label) + "</title>", "</circle>\n");
  }
  return out + "</g>\n";
}

std::string legend(const Chart& chart) {
  if (chart.series.size() < 2) return "";
  std::string out;
  double x = kWidth - kRight;
  for (size_t i = chart.series.size(); i-- > 0;) {
    const std::string& name = chart.series[i].name;
    x -= 6.6 * static_cast<double>(name.size()) + 26;
    out += str("<rect width=\"11\" height=\"11\" x=\"", fixed(x, 1), "\" y=\"", kTop - 18,
               "\" fill=\"", kColours[i % kColourCount], "\"/><text class=\"tick\" x=\"",
               fixed(x + 15, 1), "\" y=\"", kTop - 8, "\">", escape_html(name), "</text>\n");
  }
  return out;
}

}  // namespace

std::string escape_html(const std::string& text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::vector<double> round_ticks(double low, double high, int count) {
  if (!(high > low)) {
    const double around = low == 0 ? 1 : std::fabs(low) * 0.1;
    high = low + around;
    low -= around;
  }
  const double raw = (high - low) / std::max(count - 1, 1);
  const double power = std::pow(10, std::floor(std::log10(raw)));
  double step = 10 * power;
  for (const double factor : {1.0, 2.0, 2.5, 5.0}) {
    if (factor * power >= raw * 0.999) {
      step = factor * power;
      break;
    }
  }
  std::vector<double> ticks;
  const double first = std::floor(low / step + 1e-9);
  for (int i = 0; i < 4 * count + 4; ++i) {
    ticks.push_back((first + i) * step);
    if (ticks.back() >= high - 1e-9 * step && ticks.size() >= 2) break;
  }
  return ticks;
}

std::string to_svg(const Chart& chart) {
  Range x;
  Range y;
  for (const Series& series : chart.series) {
    for (const Point& p : series.points) {
      if (!drawable(p)) continue;
      x.add(p.x);
      y.add(p.y);
    }
  }
  std::string out =
      str("<svg viewBox=\"0 0 ", kWidth, " ", kHeight, "\" role=\"img\" aria-label=\"",
          escape_html(chart.title), "\">\n<text class=\"title\" x=\"", kLeft, "\" y=\"18\">",
          escape_html(chart.title), "</text>\n");
  if (x.empty()) {
    return out + str("<text class=\"name\" x=\"", kLeft, "\" y=\"", kHeight / 2,
                     "\">nothing measured yet</text>\n</svg>\n");
  }
  if (chart.y_from_zero) y.add(0);
  if (chart.vertical_line != 0) x.add(chart.vertical_line);
  if (chart.diagonal) {
    x.add(y.low);
    x.add(y.high);
    y = x;
  }
  const Frame frame(x, y);
  out += frame.axes(chart);
  if (chart.diagonal) {
    const double low = frame.low_corner();
    const double high = frame.high_corner();
    out += str("<line class=\"guide\" x1=\"", frame.x(low), "\" y1=\"", frame.y(low), "\" x2=\"",
               frame.x(high), "\" y2=\"", frame.y(high), "\"/>\n");
  }
  if (chart.vertical_line != 0 && frame.holds_x(chart.vertical_line)) {
    const std::string at = frame.x(chart.vertical_line);
    out += str("<line class=\"guide\" x1=\"", at, "\" x2=\"", at, "\" y1=\"", kTop, "\" y2=\"",
               kHeight - kBottom, "\"/><text class=\"tick\" x=\"", at, "\" y=\"", kTop + 10,
               "\" dx=\"4\">", escape_html(chart.vertical_label), "</text>\n");
  }
  for (size_t i = 0; i < chart.series.size(); ++i) {
    const Series& series = chart.series[i];
    const char* colour = kColours[i % kColourCount];
    out += series.style == Series::Style::kDots ? draw_dots(series, frame, colour)
                                                : draw_line(series, frame, colour);
  }
  return out + legend(chart) + "</svg>\n";
}

}  // namespace hat::report
