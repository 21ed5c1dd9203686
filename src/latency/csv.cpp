#include <algorithm>
#include <array>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/latency/latency_set.h"

namespace hat::latency {
namespace {

constexpr size_t kMaxFileBytes = size_t{256} << 20;
constexpr size_t kFeatureColumns = 10;
const std::array<const char*, kFeatureColumns> kFeatures = {
    "encoder_embed_dim",
    "encoder_layer_num",
    "encoder_ffn_embed_dim_avg",
    "encoder_self_attention_heads_avg",
    "decoder_embed_dim",
    "decoder_layer_num",
    "decoder_ffn_embed_dim_avg",
    "decoder_self_attention_heads_avg",
    "decoder_ende_attention_heads_avg",
    "decoder_arbitrary_ende_attn_avg",
};
// Upper ends of what a feature may be: far above every space, low enough that nothing overflows.
const std::array<double, kFeatureColumns> kFeatureMax = {1e5, 1e3, 1e6, 1e4, 1e5,
                                                         1e3, 1e6, 1e4, 1e4, 3};

/// Where each known column stands.
struct Columns {
  std::array<int, kFeatureColumns> features;
  int encoder = -1;
  int decoder = -1;
  int encoder_deviation = -1;
  int decoder_deviation = -1;
  std::vector<std::pair<std::string, int>> facts;
  size_t count = 0;
};

std::string unquoted(std::string_view cell) {
  cell = trim(cell);
  if (cell.size() >= 2 && cell.front() == '"' && cell.back() == '"') {
    cell = cell.substr(1, cell.size() - 2);
  }
  return std::string(cell);
}

std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells = split(line, ',');
  for (std::string& cell : cells) cell = unquoted(cell);
  return cells;
}

Columns read_header(std::string_view line, const std::string& origin) {
  Columns columns;
  columns.features.fill(-1);
  const std::vector<std::string> names = cells_of(line);
  columns.count = names.size();
  for (size_t i = 0; i < names.size(); ++i) {
    const int index = static_cast<int>(i);
    const auto feature = std::find(kFeatures.begin(), kFeatures.end(), names[i]);
    if (feature != kFeatures.end()) {
      columns.features[static_cast<size_t>(feature - kFeatures.begin())] = index;
    } else if (names[i] == "latency_mean_encoder") {
      columns.encoder = index;
    } else if (names[i] == "latency_mean_decoder") {
      columns.decoder = index;
    } else if (names[i] == "latency_std_encoder") {
      columns.encoder_deviation = index;
    } else if (names[i] == "latency_std_decoder") {
      columns.decoder_deviation = index;
    } else {
      columns.facts.emplace_back(names[i], index);
    }
  }
  const std::string hint =
      "the first line has to name the columns of the original HAT's latency files, see "
      "docs/latency.md";
  for (size_t i = 0; i < kFeatureColumns; ++i) {
    HAT_CHECK(columns.features[i] >= 0, ErrorKind::kData,
              str(origin, ": column '", kFeatures[i], "' is missing"), hint);
  }
  HAT_CHECK(columns.encoder >= 0 && columns.decoder >= 0, ErrorKind::kData,
            str(origin, ": columns 'latency_mean_encoder' and 'latency_mean_decoder' are missing"),
            hint);
  return columns;
}

/// Fills `row`, or returns why it cannot be used.
std::string read_row(const std::vector<std::string>& cells, const Columns& columns,
                     LatencyRow* row) {
  if (cells.size() != columns.count) {
    return str("has ", cells.size(), " columns, the header ", columns.count);
  }
  const auto number = [&](int column, double* value) {
    return parse_double(cells[static_cast<size_t>(column)], value);
  };
  for (size_t i = 0; i < kFeatureColumns; ++i) {
    double value = 0;
    if (!number(columns.features[i], &value) || value <= 0 || value > kFeatureMax[i]) {
      return str(kFeatures[i], " is '", cells[static_cast<size_t>(columns.features[i])], "'");
    }
    row->averages.push_back(value);
  }
  const std::array<std::pair<int, double*>, 2> times = {
      {{columns.encoder, &row->encoder_ms}, {columns.decoder, &row->decoder_ms}}};
  for (const auto& [column, value] : times) {
    if (!number(column, value) || *value < 0 || *value > 1e12) {
      return str("a latency is '", cells[static_cast<size_t>(column)], "'");
    }
  }
  row->total_ms = row->encoder_ms + row->decoder_ms;
  if (!(row->total_ms > 0)) return "the latency is zero";
  const std::array<std::pair<int, double*>, 2> deviations = {
      {{columns.encoder_deviation, &row->wall_encoder.deviation},
       {columns.decoder_deviation, &row->wall_decoder.deviation}}};
  for (const auto& [column, value] : deviations) {
    if (column >= 0 && !number(column, value)) *value = 0;
  }
  for (const auto& [name, column] : columns.facts) {
    row->facts[name] = cells[static_cast<size_t>(column)];
  }
  row->totals = arch::layer_totals_from_original(row->averages);
  return "";
}

}  // namespace

arch::Workload original_workload(const std::string& file_name) {
  arch::Workload workload;
  const bool iwslt = to_lower_ascii(file_name).find("iwslt") != std::string::npos;
  workload.source_length = workload.target_length = iwslt ? 23 : 30;
  if (iwslt) workload.vocabulary = {10000, 10000};
  return workload;
}

LatencySet read_csv(const fs::path& path) {
  LatencySet set;
  set.origin = path.string();
  set.imported = true;
  set.imported_from = path.filename().string();
  set.workload = original_workload(path.filename().string());
  const std::string text = read_file(path, kMaxFileBytes);
  Columns columns;
  bool have_header = false;
  int line_number = 0;
  for (const std::string& raw : split(text, '\n')) {
    ++line_number;
    const std::string_view line = trim(raw);
    if (line.empty() || line == "\r") continue;
    if (!have_header) {
      columns = read_header(line, set.origin);
      have_header = true;
      continue;
    }
    LatencyRow row;
    row.line = line_number;
    std::string reason = read_row(cells_of(line), columns, &row);
    if (reason.empty()) {
      set.rows.push_back(std::move(row));
    } else {
      set.rejected.push_back({line_number, std::move(reason)});
    }
  }
  HAT_CHECK(have_header, ErrorKind::kData, str(set.origin, ": is empty"),
            "give a latency set with a header and one row a measured architecture");
  return set;
}

}  // namespace hat::latency
