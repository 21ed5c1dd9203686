#pragma once

#include <string>
#include <utility>
#include <vector>

#include "hat/report/chart.h"

namespace hat::report {

/// A table; the first row holds the headings.
using Table = std::vector<std::vector<std::string>>;

/// One HTML file that needs nothing from outside: no scripts, no fonts, no network. Readable in
/// light and dark, and on paper.
class Page {
 public:
  explicit Page(std::string title);
  void heading(const std::string& text);
  void paragraph(const std::string& text);
  void chart(const Chart& chart);
  void table(const Table& rows);
  /// Fixed-width text: a drawn architecture.
  void preformatted(const std::string& text);
  std::string html() const;

 private:
  std::string title_;
  std::string body_;
};

}  // namespace hat::report
