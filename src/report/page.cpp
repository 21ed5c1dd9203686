#include "hat/report/page.h"

#include "hat/base/strings.h"

namespace hat::report {
namespace {

constexpr const char* kStyle = R"(
:root { color-scheme: light dark; --ink: #1b1f24; --soft: #5f6b7a; --line: #d9dee5; --paper: #ffffff; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e9ee; --soft: #9aa5b4; --line: #333b46; --paper: #14181d; } }
body { font: 16px/1.5 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 960px; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; } h2 { font-size: 1.2rem; margin-top: 2.5rem; border-bottom: 1px solid var(--line); }
svg { width: 100%; max-width: 720px; height: auto; display: block; margin: 1rem 0; }
svg text { font-family: system-ui, sans-serif; fill: var(--ink); }
svg .title { font-size: 15px; font-weight: 600; } svg .name { font-size: 12px; fill: var(--soft); }
svg .tick { font-size: 11px; fill: var(--soft); }
svg .grid { stroke: var(--line); } svg .axis { stroke: var(--soft); }
svg .guide { stroke: var(--soft); stroke-dasharray: 5 4; }
table { border-collapse: collapse; margin: 1rem 0; font-variant-numeric: tabular-nums; font-size: 0.92rem; }
th, td { text-align: right; padding: 0.25rem 0.8rem; border-bottom: 1px solid var(--line); }
th:first-child, td:first-child { text-align: left; } th { color: var(--soft); font-weight: 600; }
pre { overflow-x: auto; padding: 0.8rem; border: 1px solid var(--line); font-size: 0.82rem; line-height: 1.35; }
)";

}  // namespace

Page::Page(std::string title) : title_(std::move(title)) {}

void Page::heading(const std::string& text) { body_ += str("<h2>", escape_html(text), "</h2>\n"); }
void Page::paragraph(const std::string& text) { body_ += str("<p>", escape_html(text), "</p>\n"); }
void Page::chart(const Chart& chart) { body_ += to_svg(chart); }
void Page::preformatted(const std::string& text) {
  body_ += str("<pre>", escape_html(text), "</pre>\n");
}

void Page::table(const Table& rows) {
  body_ += "<table>\n";
  for (size_t i = 0; i < rows.size(); ++i) {
    const char* cell = i == 0 ? "th" : "td";
    body_ += "<tr>";
    for (const std::string& text : rows[i]) {
      body_ += str("<", cell, ">", escape_html(text), "</", cell, ">");
    }
    body_ += "</tr>\n";
  }
  body_ += "</table>\n";
}

std::string Page::html() const {
  return str(
      "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
      escape_html(title_), "</title>\n<style>", kStyle, "</style>\n</head>\n<body>\n<h1>",
      escape_html(title_), "</h1>\n", body_, "</body>\n</html>\n");
}

}  // namespace hat::report
