#include "commands.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "hat/latency/predictor.h"
#include "latency_text.h"
#include "measure_checks.h"

namespace hat::cli {
namespace {

struct Options {
  WorkspaceFlags workspace;
  std::string from_csv;
  std::string device;
  std::string kind;
  std::string prior;
  std::string output;
  std::string held_out;
  int train_rows = 0;
  int draws = 20;
  uint64_t seed = 1;
  double confidence = 0.9;
  bool compare = false;
  bool json = false;
};

void warn_of_findings(const latency::LatencySet& set) {
  for (const latency::Finding& finding : latency::check_latency_set(set)) {
    if (!finding.problem) continue;
    log_warning("latency", str(set.origin, ": ", latency::finding_name(finding.kind), ": ",
                               finding.what, ". Do: ", finding.advice));
  }
}

/// The kinds of model side by side.
void print_kinds(const std::vector<latency::KindReport>& kinds, size_t rows, bool json) {
  if (json) {
    config::OrderedJson result = config::OrderedJson::array();
    for (const latency::KindReport& kind : kinds) {
      config::OrderedJson entry = {{"model", kind.kind}, {"settings", kind.settings}};
      entry.update(accuracy_json(kind.accuracy));
      result.push_back(entry);
    }
    print_json({{"rows", rows}, {"models", result}});
    return;
  }
  print(str("cross-validated on ", rows, " rows, the best settings of each kind:\n"));
  for (const latency::KindReport& kind : kinds) {
    print(str("  ", kind.kind, std::string(kind.kind.size() < 10 ? 10 - kind.kind.size() : 1, ' '),
              accuracy_text(kind.accuracy),
              kind.settings.empty() ? "" : "  (" + kind.settings + ")", "\n"));
  }
}

void compare_kinds(const latency::LatencySet& set, latency::TrainOptions training, bool json) {
  std::vector<latency::KindReport> kinds;
  for (const char* kind : {"auto", "mlp"}) {
    std::vector<latency::KindReport> tried;
    training.kind = kind;
    training.report = &tried;
    latency::train_predictor(set, {}, training);
    kinds.insert(kinds.end(), tried.begin(), tried.end());
  }
  print_kinds(kinds, set.rows.size(), json);
}

/// Accuracy on rows that were not drawn for training.
void run_draws(const latency::LatencySet& set, const Options& options,
               const latency::TrainOptions& training) {
  const latency::DrawsReport report =
      latency::evaluate_draws(set, options.train_rows, options.draws, training, options.confidence);
  if (options.json) {
    config::OrderedJson json = accuracy_json(report.mean);
    json["mape_deviation_percent"] = report.mape_deviation;
    json["bound_violations_percent"] = report.bound_violations_percent;
    json["bound_confidence"] = options.confidence;
    json["model"] = report.kind;
    json["train_rows"] = options.train_rows;
    json["test_rows"] = report.mean.rows;
    json["draws"] = options.draws;
    json["seed"] = options.seed;
    json["file"] = set.origin;
    print_json(json);
    return;
  }
  print(str(set.origin, ": ", options.train_rows, " random rows to train, ", report.mean.rows,
            " to test, mean of ", options.draws, " draws\n  ", accuracy_text(report.mean),
            "\n  between draws +-", fixed(report.mape_deviation, 2), " %; model: ", report.kind,
            "; ", fixed(report.bound_violations_percent, 1), " % exceed the ",
            fixed(100 * options.confidence, 0), " % bound\n"));
}

void print_predictor(const latency::Predictor& predictor, const Options& options,
                     const std::string& path) {
  if (options.json) {
    config::OrderedJson json = accuracy_json(predictor.cross_validation());
    json["model"] = predictor.kind();
    json["rows"] = predictor.training_rows();
    json["bound_factor"] = predictor.bound_factor(options.confidence);
    json["bound_confidence"] = options.confidence;
    json["imported"] = predictor.scope().imported;
    json["predictor"] = path;
    print_json(json);
    return;
  }
  std::string out =
      str("predictor of ", predictor.training_rows(), " rows (", predictor.kind(),
          "), cross-validated:\n  ", accuracy_text(predictor.cross_validation()), "\n  ",
          fixed(100 * options.confidence, 0), " % of networks stay below ",
          fixed(predictor.bound_factor(options.confidence), 3), " times the prediction\n");
  const std::string provenance = provenance_text(predictor.scope());
  if (!provenance.empty()) out += "  " + provenance + "\n";
  if (!path.empty()) out += str("wrote ", path, "\n");
  print(out);
}

/// Accuracy on another set of the same device, whose anchor ties both to one unit.
void test_held_out(const latency::Predictor& predictor, const latency::LatencySet& set,
                   const Options& options) {
  latency::LatencySet held_out = latency::read_latency_set(options.held_out);
  HAT_CHECK(held_out.imported == set.imported && held_out.space_id == set.space_id &&
                held_out.precision == set.precision && held_out.workload == set.workload &&
                held_out.anchors.has_value() == set.anchors.has_value() &&
                (!set.anchors || held_out.anchors->same_networks(*set.anchors)),
            ErrorKind::kConfig,
            str(options.held_out, " and ", set.origin,
                " are not of one space, precision, workload and anchors"),
            "measure one with 'hat measure-latency --held-out 150'");
  if (!set.imported) latency::take_reference(set, &held_out);
  warn_of_findings(held_out);
  print_held_out(latency::evaluate_held_out(predictor, held_out, options.confidence, options.seed),
                 predictor.kind(), options.held_out, options.json);
}

void run(const Options& options) {
  latency::TrainOptions training;
  training.kind = options.kind.empty() ? "auto" : options.kind;
  training.seed = options.seed;
  latency::Predictor prior;
  fs::path output = options.output;
  latency::LatencySet set;
  std::string device = options.device;
  if (!options.from_csv.empty()) {
    set = latency::read_latency_set(options.from_csv);
  } else {
    const config::Workspace workspace = options.workspace.open();
    if (device.empty()) device = workspace.config().latency.device;
    if (options.kind.empty()) training.kind = workspace.config().latency.predictor;
    training.seed = static_cast<uint64_t>(workspace.config().seed);
    const fs::path journal = workspace.device_dir(device) / "latency.jsonl";
    HAT_CHECK(fs::exists(journal), ErrorKind::kData,
              str("device '", device, "' has no measurements yet (", journal.string(), ")"),
              str("run 'hat measure-latency --device ", device, "' first"));
    set = latency::read_latency_set(journal);
    if (output.empty()) output = workspace.device_dir(device) / "predictor.json";
    if (!options.prior.empty() && !fs::exists(options.prior)) {
      prior = latency::Predictor::load(workspace.device_dir(options.prior) / "predictor.json");
      training.prior = &prior;
    }
  }
  if (!options.prior.empty() && training.prior == nullptr) {
    prior = latency::Predictor::load(options.prior);
    training.prior = &prior;
  }
  warn_of_findings(set);
  if (options.compare) {
    compare_kinds(set, training, options.json);
    return;
  }
  if (options.train_rows > 0) {
    run_draws(set, options, training);
    return;
  }
  const latency::Predictor predictor = latency::train_predictor(set, {}, training, device);
  if (!output.empty()) predictor.save(output);
  if (!options.held_out.empty()) {
    test_held_out(predictor, set, options);
    return;
  }
  print_predictor(predictor, options, output.string());
}

}  // namespace

Command train_predictor_command() {
  auto options = std::make_shared<Options>();
  return {"train-predictor",
          kDeviceGroup,
          "Learn to predict the latency of any architecture from measured ones",
          "Without --from-csv: trains on devices/<name>/latency.jsonl of the workspace and writes\n"
          "devices/<name>/predictor.json. Model and strength are chosen by cross-validation. With "
          "--train-rows\n"
          "nothing is written: that many random rows train, all others test, and the mean over "
          "--draws draws\n"
          "is printed.\n\n"
          "Examples:\n"
          "  hat train-predictor --device rpi4\n"
          "  hat train-predictor --device rpi5 --prior rpi4\n"
          "  hat train-predictor --from-csv lat.csv --train-rows 100 --draws 20 --json\n",
          [options](CLI::App& app) {
            options->workspace.declare(app);
            app.add_option("--from-csv", options->from_csv,
                           "A latency set: the original's CSV, or a latency.jsonl")
                ->type_name("FILE");
            app.add_option("--device", options->device, "Device of the workspace [latency.device]")
                ->type_name("NAME");
            app.add_option("--predictor", options->kind,
                           "auto, linear, gp (with a Gaussian process) or mlp (the original's)")
                ->check(CLI::IsMember({"auto", "linear", "gp", "mlp"}));
            app.add_option("--prior", options->prior,
                           "Start from another device's predictor: its name or predictor.json")
                ->type_name("NAME|FILE");
            app.add_option("--held-out", options->held_out,
                           "Test on this set, which was not trained on (hat measure-latency "
                           "--held-out)")
                ->type_name("FILE");
            app.add_option("--train-rows", options->train_rows,
                           "Train on so many random rows, test on the rest")
                ->check(CLI::Range(1, 1 << 24));
            app.add_option("--draws", options->draws, "Random draws to average over [20]")
                ->check(CLI::Range(1, 10000));
            app.add_option("--draw-seed", options->seed, "Seed of the draws [1]");
            app.add_option("--confidence", options->confidence,
                           "Share of networks that the upper bound is for [0.9]")
                ->check(CLI::Range(0.5, 0.999));
            app.add_option("-o,--output", options->output, "Where to write the predictor")
                ->type_name("FILE");
            app.add_flag("--compare", options->compare,
                         "Print how the kinds of model do, the original's MLP (minutes) included; "
                         "nothing is written");
            app.add_flag("--json", options->json, "Print JSON");
          },
          [options] { run(*options); }};
}

}  // namespace hat::cli
