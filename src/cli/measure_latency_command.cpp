#include "commands.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "hat/latency/checks.h"
#include "hat/latency/measure.h"
#include "hat/latency/predictor.h"
#include "hat/latency/workload.h"
#include "latency_text.h"
#include "measure_checks.h"

namespace hat::cli {
namespace {

struct Options {
  WorkspaceFlags workspace;
  std::string import_file;
  std::string against;
  std::string prior;
  int vocabulary = 0;
  int repeat_check = 0;
  int held_out = 0;
  bool passive = false;
  bool restart = false;
  bool json = false;
};

latency::MeasureOptions measure_options(const config::Workspace& workspace,
                                        const Options& options) {
  const config::LatencyConfig& config = workspace.config().latency;
  latency::MeasureOptions measure;
  measure.samples = config.samples;
  measure.repetitions = config.repetitions;
  measure.precision_percent = config.precision_percent;
  measure.trim = config.trim;
  measure.max_minutes = config.max_minutes;
  measure.workload = latency::workspace_workload(workspace, options.vocabulary);
  measure.seed = static_cast<uint64_t>(workspace.config().seed);
  measure.active = !options.passive;
  return measure;
}

/// The old journal is kept under another name: measurements are dear. Returns what it holds, where
/// it can be read.
std::optional<latency::LatencySet> set_aside(const fs::path& journal) {
  if (!fs::exists(journal)) return std::nullopt;
  std::optional<latency::LatencySet> former;
  try {
    former = latency::read_journal(journal);
  } catch (const Error& error) {
    log_warning("latency", error.message());
  }
  std::string stamp = utc_timestamp();
  for (char& c : stamp) c = c == ':' ? '-' : c;
  const fs::path kept = journal.parent_path() / ("latency-until-" + stamp + ".jsonl");
  fs::rename(journal, kept);
  log_info("latency", str("kept the former measurements as ", kept.string()));
  return former;
}

/// Checks the set, trains the predictor and says what came out.
config::OrderedJson finish(const config::Workspace& workspace, const latency::Device& device,
                           const fs::path& journal, const Options& options, std::string* text) {
  const latency::LatencySet set = latency::read_journal(journal);
  const std::vector<latency::Finding> findings = latency::check_latency_set(set);
  latency::TrainOptions training;
  training.kind = workspace.config().latency.predictor;
  training.seed = static_cast<uint64_t>(workspace.config().seed);
  latency::Predictor prior;
  if (!options.prior.empty()) {
    prior = latency::Predictor::load(workspace.device_dir(options.prior) / "predictor.json");
    training.prior = &prior;
  }
  const latency::Predictor predictor = latency::train_predictor(set, {}, training, device.name);
  const fs::path path = workspace.device_dir(device.name) / "predictor.json";
  predictor.save(path);
  config::write_run_records(workspace.device_dir(device.name), workspace, invocation().text());
  const double confidence = workspace.config().latency.confidence;
  *text += findings_text(findings);
  *text += str("predictor (", predictor.kind(), ", ", predictor.training_rows(),
               " rows): ", accuracy_text(predictor.cross_validation()), "\n",
               fixed(100 * confidence, 0), " % of networks stay below ",
               fixed(predictor.bound_factor(confidence), 3), " times the prediction\n");
  const std::string provenance = provenance_text(predictor.scope());
  if (!provenance.empty()) *text += provenance + "\n";
  config::OrderedJson json = {{"device", device.name},
                              {"rows", set.rows.size()},
                              {"imported", set.imported},
                              {"predictor", path.string()},
                              {"model", predictor.kind()},
                              {"cross_validation", accuracy_json(predictor.cross_validation())},
                              {"bound_factor", predictor.bound_factor(confidence)},
                              {"findings", latency::to_json(findings)}};
  if (predictor.scope().imported) return json;
  const arch::SearchSpace space =
      arch::SearchSpace::named(workspace.config().space, workspace.root());
  const latency::Reachable reachable = predictor.reachable(space);
  *text += str("the space reaches from ", format_duration_ms(reachable.min_ms), " to ",
               format_duration_ms(reachable.max_ms), " on this device\n");
  json["reachable_ms"] = {reachable.min_ms, reachable.max_ms};
  return json;
}

void run(const Options& options) {
  const config::Workspace workspace = options.workspace.open();
  const latency::Device device =
      latency::find_device(workspace.config().latency.device, workspace.root());
  const fs::path folder = workspace.device_dir(device.name);
  const fs::path journal = folder / "latency.jsonl";
  ensure_directory(folder);
  if (!options.against.empty()) {
    run_against(workspace, device, options.against, options.json);
    return;
  }
  if (options.repeat_check > 0) {
    run_repeat_check(workspace, device, measure_options(workspace, options), options.repeat_check,
                     options.json);
    return;
  }
  if (options.held_out > 0) {
    run_held_out(workspace, device, measure_options(workspace, options), options.held_out,
                 options.json);
    return;
  }
  std::string text;
  config::OrderedJson summary_json;
  std::optional<latency::LatencySet> former;
  if (options.restart) former = set_aside(journal);
  if (!options.import_file.empty()) {
    const latency::LatencySet set =
        latency::import_latency_set(options.import_file, device, journal);
    text = str("imported ", set.rows.size(), " rows from ", options.import_file, "\n");
  } else {
    const arch::SearchSpace space =
        arch::SearchSpace::named(workspace.config().space, workspace.root());
    const latency::MeasureSummary summary =
        latency::measure_latency(device, space, measure_options(workspace, options), journal);
    text = str("measured ", summary.measured, " architectures in ",
               format_duration_ms(1000 * summary.seconds), ", ", summary.rows,
               " in the set; median standard error ", fixed(summary.median_error_percent, 2),
               " %; the anchor's wall time varied by ", fixed(summary.anchor_spread_percent, 1),
               " %, which is divided out\n");
    if (summary.stopped_early) text += "stopped early: the predictor is as good as asked\n";
    if (summary.out_of_time) text += "stopped by latency.max_minutes; the next call goes on\n";
    summary_json = {{"measured", summary.measured},
                    {"seconds", summary.seconds},
                    {"median_error_percent", summary.median_error_percent},
                    {"anchor_spread_percent", summary.anchor_spread_percent},
                    {"stopped_early", summary.stopped_early}};
  }
  config::OrderedJson json = finish(workspace, device, journal, options, &text);
  if (options.json) {
    if (!summary_json.is_null()) json["session"] = summary_json;
    print_json(json);
  } else {
    print(text);
  }
}

}  // namespace

Command measure_latency_command() {
  auto options = std::make_shared<Options>();
  return {
      "measure-latency",
      kDeviceGroup,
      "Measure real latencies on the device and train its predictor",
      "Builds networks of the space on the device (by hat-run, with random weights: times do not "
      "depend on\n"
      "them) and times them in the deployed precision. An anchor network runs between the timed "
      "runs; every\n"
      "measurement is a ratio to it, so drift, throttling and other programs cancel. Writes\n"
      "devices/<name>/latency.jsonl, row by row: a call that was cut off goes on where it stopped, "
      "and\n"
      "devices/<name>/predictor.json.\n\n"
      "Examples:\n"
      "  hat measure-latency\n"
      "  hat measure-latency --device rpi4\n"
      "  hat measure-latency --device rpi4 --import wmt14ende_cpu_raspberrypi_all.csv\n"
      "  hat measure-latency --held-out 150        test the predictor on new networks\n"
      "  hat measure-latency --repeat-check 60     does measuring again give the same?\n",
      [options](CLI::App& app) {
        WorkspaceFlags& flags = options->workspace;
        flags.declare(app);
        flags.bind(app, "--device", "latency.device");
        flags.bind(app, "--space", "space");
        flags.bind(app, "--samples", "latency.samples");
        flags.bind(app, "--repetitions", "latency.repetitions");
        flags.bind(app, "--precision-percent", "latency.precision_percent");
        flags.bind(app, "--max-minutes", "latency.max_minutes");
        flags.bind(app, "--batch", "latency.batch");
        flags.bind(app, "--beam", "latency.beam");
        flags.bind(app, "--source-length", "latency.source_length");
        flags.bind(app, "--target-length", "latency.target_length");
        flags.bind(app, "--lengths", "latency.lengths");
        flags.bind(app, "--predictor", "latency.predictor");
        app.add_option("--vocabulary", options->vocabulary,
                       "Words of each language; 0: of the prepared data [0]")
            ->check(CLI::Range(0, 1'000'000));
        app.add_option("--import", options->import_file,
                       "Take this CSV of published measurements as the device's latency set")
            ->type_name("FILE");
        app.add_option("--against", options->against,
                       "Measure nothing: print how the device's set agrees with this one")
            ->type_name("FILE");
        app.add_option("--prior", options->prior, "Start from another device's predictor")
            ->type_name("NAME");
        app.add_flag("--passive", options->passive,
                     "Draw all architectures by cost, none where the predictor is unsure");
        CLI::Option* restart =
            app.add_flag("--restart", options->restart,
                         "Measure anew; the former measurements are kept under another name");
        CLI::Option* repeat =
            app.add_option("--repeat-check", options->repeat_check,
                           "Measure so many architectures twice and print how the two agree")
                ->check(CLI::Range(2, 100'000))
                ->type_name("N")
                ->excludes(restart);
        app.add_option("--held-out", options->held_out,
                       "Measure so many architectures beside the set and test the predictor on "
                       "them")
            ->check(CLI::Range(1, 100'000))
            ->type_name("N")
            ->excludes(restart)
            ->excludes(repeat);
        app.add_flag("--json", options->json, "Print JSON");
      },
      [options] { run(*options); }};
}

}  // namespace hat::cli
