#include "hat/search/result.h"

#include <algorithm>
#include <cmath>

#include "hat/base/strings.h"

namespace hat::search {
namespace {

std::string cost_text(const Cost& cost, double value) {
  if (std::isnan(value)) return "-";
  if (cost.unit == "ms") return format_duration_ms(value);
  if (cost.unit == "bytes") return format_bytes(value);
  if (cost.unit == "J") return value < 1 ? fixed(1000 * value, 2) + " mJ" : fixed(value, 3) + " J";
  return format_count(value);
}

}  // namespace

std::string report_table(const std::vector<ReportRow>& rows, const std::vector<Cost>& costs,
                         int measured_cost, const std::string& loss_name) {
  std::vector<std::vector<std::string>> table{{"", loss_name}};
  for (size_t i = 0; i < costs.size(); ++i) {
    const bool measured = static_cast<int>(i) == measured_cost;
    table[0].push_back(measured ? costs[i].name + " predicted" : costs[i].name);
    if (!measured) continue;
    table[0].push_back("bound");
    table[0].push_back("measured");
  }
  table[0].push_back("");
  for (const ReportRow& row : rows) {
    std::vector<std::string> cells{row.name, fixed(row.loss, 4)};
    for (size_t i = 0; i < costs.size(); ++i) {
      cells.push_back(cost_text(costs[i], row.costs[i]));
      if (static_cast<int>(i) != measured_cost) continue;
      cells.push_back(cost_text(costs[i], row.bound));
      cells.push_back(cost_text(costs[i], row.measured));
    }
    cells.push_back(row.keeps ? "" : "exceeds the budget");
    table.push_back(std::move(cells));
  }
  std::vector<size_t> widths(table[0].size(), 0);
  for (const auto& cells : table) {
    for (size_t i = 0; i < cells.size(); ++i) widths[i] = std::max(widths[i], cells[i].size());
  }
  std::string out;
  for (const auto& cells : table) {
    std::string line = "  ";
    for (size_t i = 0; i < cells.size(); ++i) {
      const std::string pad(widths[i] - cells[i].size(), ' ');
      const bool left = i == 0 || i + 1 == cells.size();
      line += (left ? cells[i] + pad : pad + cells[i]) + "  ";
    }
    line.erase(line.find_last_not_of(' ') + 1);
    out += line + "\n";
  }
  return out;
}

config::OrderedJson to_json(const ReportRow& row, const std::vector<Cost>& costs,
                            int measured_cost) {
  config::OrderedJson json = {{"name", row.name}, {"id", row.id}, {"loss", row.loss}};
  for (size_t i = 0; i < costs.size(); ++i) {
    json["costs"][costs[i].name] = row.costs[i];
  }
  if (measured_cost >= 0) {
    json["predicted_latency_ms"] = row.costs[measured_cost];
    json["bound_latency_ms"] = row.bound;
    if (std::isnan(row.measured))
      json["measured_latency_ms"] = nullptr;
    else
      json["measured_latency_ms"] = row.measured;
  }
  json["keeps_budget"] = row.keeps;
  return json;
}

}  // namespace hat::search
