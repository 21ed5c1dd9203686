#include <algorithm>
#include <cmath>

#include "commands.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/latency/latency_set.h"
#include "hat/latency/predictor.h"
#include "hat/report/page.h"

namespace hat::cli {
namespace {

using config::Json;
using report::Chart;
using report::Series;

struct Options {
  WorkspaceFlags workspace;
  std::string output;
};

double number(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_number() ? it->get<double>() : NAN;
}

std::string text(const Json& object, const char* key) {
  const auto it = object.find(key);
  return it != object.end() && it->is_string() ? it->get<std::string>() : "";
}

std::string milliseconds(const Json& object, const char* key) {
  const double value = number(object, key);
  return std::isnan(value) ? "-" : format_duration_ms(value);
}

/// The records of a metrics.jsonl; a line that is not JSON (a run may be writing it) is left out.
std::vector<Json> read_metrics(const fs::path& path) {
  std::vector<Json> records;
  if (!fs::exists(path)) return records;
  for (const std::string& line : split(read_file(path, size_t{1} << 28), '\n')) {
    Json record = Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (record.is_object()) records.push_back(std::move(record));
  }
  return records;
}

/// Loss while training, and validation of each network that was watched.
void add_training(report::Page& page, const std::string& title, const fs::path& directory) {
  const std::vector<Json> records = read_metrics(directory / "metrics.jsonl");
  if (records.empty()) return;
  Chart chart;
  chart.title = title + ": validation loss";
  chart.x_axis = "update";
  chart.y_axis = "nats per token";
  Series training{"training", Series::Style::kLine, {}};
  std::vector<Series> watched;
  for (const Json& record : records) {
    const double update = number(record, "update");
    if (text(record, "kind") == "train") {
      training.points.push_back({update, number(record, "loss"), ""});
      continue;
    }
    if (text(record, "kind") != "valid") continue;
    for (const auto& [name, value] : record.items()) {
      if (!value.is_object()) continue;
      auto it = std::find_if(watched.begin(), watched.end(),
                             [&, key = name](const Series& s) { return s.name == key; });
      if (it == watched.end()) {
        watched.push_back({name, Series::Style::kLine, {}});
        it = watched.end() - 1;
      }
      it->points.push_back({update, number(value, "loss"), ""});
    }
  }
  chart.series = watched;
  page.chart(chart);
  Chart train_chart;
  train_chart.title = title + ": training loss";
  train_chart.x_axis = "update";
  train_chart.y_axis = "nats per token";
  train_chart.series = {training};
  page.chart(train_chart);
}

void add_latency(report::Page& page, const fs::path& directory) {
  const fs::path set_path = directory / "latency.jsonl";
  const fs::path predictor_path = directory / "predictor.json";
  if (!fs::exists(set_path) || !fs::exists(predictor_path)) return;
  const latency::LatencySet set = latency::read_latency_set(set_path);
  const latency::Predictor predictor = latency::Predictor::load(predictor_path);
  Chart chart;
  chart.title = "Device " + directory.filename().string() + ": predicted against measured";
  chart.x_axis = "measured latency, ms";
  chart.y_axis = "predicted latency, ms";
  chart.diagonal = true;
  Series dots{"architectures", Series::Style::kDots, {}};
  for (const latency::LatencyRow& row : set.rows) {
    if (!row.architecture) continue;
    dots.points.push_back({row.total_ms, predictor.predict_ms(*row.architecture),
                           arch::architecture_id(*row.architecture)});
  }
  page.heading("Latency on " + directory.filename().string());
  if (set.imported) page.paragraph("Stands on imported numbers: " + set.imported_from);
  chart.series = {dots};
  page.chart(chart);
  const latency::Accuracy& accuracy = predictor.cross_validation();
  page.paragraph(str("Cross-validated on ", accuracy.rows, " networks: mean error ",
                     fixed(accuracy.mape_percent, 2), " %, ", fixed(accuracy.within_5_percent, 0),
                     " % within 5 %, Kendall's tau ", fixed(accuracy.kendall_tau, 3),
                     ". The chart shows rows the predictor has seen."));
}

report::Table network_table(const std::vector<const Json*>& networks) {
  report::Table table = {{"network", "loss", "predicted", "bound", "measured", "id"}};
  for (const Json* network : networks) {
    table.push_back({text(*network, "name"), fixed(number(*network, "loss"), 4),
                     milliseconds(*network, "predicted_latency_ms"),
                     milliseconds(*network, "bound_latency_ms"),
                     milliseconds(*network, "measured_latency_ms"), text(*network, "id")});
  }
  return table;
}

void add_goal(report::Page& page, const Json& goal) {
  std::vector<const Json*> networks;
  Chart chart;
  chart.title =
      "Loss against latency" + (text(goal, "name").empty() ? "" : " on " + text(goal, "name"));
  chart.x_axis = "predicted latency, ms";
  chart.y_axis = "validation loss with inherited weights";
  const auto series = [&](const char* key, const char* name) {
    Series dots{name, Series::Style::kDots, {}};
    const auto add = [&](const Json& network) {
      if (!network.is_object()) return;
      dots.points.push_back({number(network, "predicted_latency_ms"), number(network, "loss"),
                             text(network, "name") + " " + text(network, "id")});
      if (std::string(key) != "finalists") networks.push_back(&network);
    };
    if (!goal.contains(key)) return;
    if (goal[key].is_array()) {
      for (const Json& network : goal[key]) add(network);
    } else {
      add(goal[key]);
    }
    chart.series.push_back(std::move(dots));
  };
  series("baselines", "baselines");
  series("front", "front");
  series("finalists", "finalists");
  series("winner", "winner");
  for (const Json& limit : goal.value("limits", Json::array())) {
    if (text(limit, "cost") == "latency") {
      chart.vertical_line = number(limit, "at_most");
      chart.vertical_label = "budget";
    }
  }
  page.chart(chart);
  page.table(network_table(networks));
  if (goal.contains("winner") && goal["winner"].is_object() &&
      goal["winner"].contains("architecture")) {
    page.preformatted(arch::draw(
        arch::architecture_from_json(goal["winner"]["architecture"], "the search's winner")));
  }
}

void add_search(report::Page& page, const fs::path& directory) {
  const Json result = config::load_json(directory / "result.json");
  page.heading("Search " + directory.filename().string());
  page.paragraph(str(text(result, "algorithm"), ", ",
                     with_commas(static_cast<uint64_t>(number(result, "evaluations"))),
                     " evaluations, seed ", number(result, "seed"), ", budget kept by ",
                     text(result, "budget_kept_by"), "."));
  for (const Json& goal : result.value("goals", Json::array())) add_goal(page, goal);
}

void add_model(report::Page& page, const fs::path& directory) {
  page.heading("Model " + directory.filename().string());
  report::Table table = {{"precision", "BLEU", "chrF", "sentences a second", "signature"}};
  for (const char* precision : {"fp32", "int8", "int4"}) {
    const fs::path path = directory / str("evaluation.", precision, ".json");
    if (!fs::exists(path)) continue;
    const Json scores = config::load_json(path);
    table.push_back({precision, fixed(number(scores.value("bleu", Json::object()), "score"), 2),
                     fixed(number(scores.value("chrf", Json::object()), "score"), 2),
                     fixed(number(scores, "sentences_per_second"), 1),
                     text(scores.value("bleu", Json::object()), "signature")});
  }
  if (table.size() > 1) page.table(table);
  add_training(page, "Finetuning", directory);
}

std::vector<fs::path> folders_in(const fs::path& directory) {
  std::vector<fs::path> folders;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(directory, error)) {
    if (entry.is_directory()) folders.push_back(entry.path());
  }
  std::sort(folders.begin(), folders.end());
  return folders;
}

void run(const Options& options) {
  const config::Workspace workspace = options.workspace.open();
  report::Page page("hat report: " + workspace.root().filename().string());
  page.paragraph(str("Space ", workspace.config().space, ", ", workspace.config().task.kind, " ",
                     workspace.config().task.source, " to ", workspace.config().task.target,
                     ", seed ", workspace.config().seed, "."));
  if (fs::exists(workspace.super_dir())) {
    page.heading("SuperTransformer");
    add_training(page, "SuperTransformer", workspace.super_dir());
  }
  for (const fs::path& device : folders_in(workspace.root() / "devices")) add_latency(page, device);
  for (const fs::path& search : folders_in(workspace.searches_dir())) {
    if (fs::exists(search / "result.json")) add_search(page, search);
  }
  for (const fs::path& model : folders_in(workspace.models_dir())) add_model(page, model);
  const fs::path output =
      options.output.empty() ? workspace.root() / "report.html" : fs::path(options.output);
  write_file_atomic(output, page.html());
  print_line(str("wrote ", output.string()));
}

}  // namespace

Command report_command() {
  auto options = std::make_shared<Options>();
  return {"report",
          kInspectGroup,
          "One HTML file with every curve and table of the workspace",
          "Training curves, predicted against measured latency, what each search found beside its\n"
          "baselines, and the scores of every model. The file needs nothing from outside.\n\n"
          "Examples:\n"
          "  hat report\n"
          "  hat report --output /srv/www/hat.html\n",
          [options](CLI::App& app) {
            options->workspace.declare(app);
            app.add_option("--output", options->output, "Where to write [report.html]")
                ->type_name("FILE");
          },
          [options] { run(*options); }};
}

}  // namespace hat::cli
