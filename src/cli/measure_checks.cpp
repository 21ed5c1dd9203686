#include "measure_checks.h"

#include "command.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "latency_text.h"

namespace hat::cli {
namespace {

arch::SearchSpace space_of(const config::Workspace& workspace) {
  return arch::SearchSpace::named(workspace.config().space, workspace.root());
}

config::OrderedJson agreement_json(const latency::Agreement& a) {
  return {{"median_difference_percent", a.median_difference_percent},
          {"worst_difference_percent", a.worst_difference_percent},
          {"kendall_tau", a.kendall_tau}};
}

std::string agreement_text(const std::string& name, const latency::Agreement& a) {
  return str("  ", name, std::string(name.size() < 28 ? 28 - name.size() : 1, ' '),
             "median difference ", fixed(a.median_difference_percent, 2), " %, worst ",
             fixed(a.worst_difference_percent, 2), " %, Kendall tau ", fixed(a.kendall_tau, 3),
             "\n");
}

}  // namespace

void run_repeat_check(const config::Workspace& workspace, const latency::Device& device,
                      latency::MeasureOptions options, int architectures, bool json) {
  HAT_CHECK(architectures >= 2, ErrorKind::kUsage, "--repeat-check needs at least 2 architectures");
  const double begin_ms = wall_ms();
  options.samples = architectures;
  options.active = false;
  const fs::path folder = workspace.device_dir(device.name);
  const fs::path paths[2] = {folder / "repeat-1.jsonl", folder / "repeat-2.jsonl"};
  for (const fs::path& path : paths) fs::remove(path);
  const arch::SearchSpace space = space_of(workspace);
  latency::measure_latency(device, space, options, paths[0]);
  const latency::LatencySet first = latency::read_journal(paths[0]);
  options.former = &first;
  const latency::MeasureSummary summary =
      latency::measure_latency(device, space, options, paths[1]);
  latency::LatencySet second = latency::read_journal(paths[1]);
  latency::take_reference(first, &second);
  const latency::SetAgreement result = latency::compare_sets(first, second);
  const double seconds = (wall_ms() - begin_ms) / 1000;
  if (json) {
    print_json({{"device", device.name},
                {"space", space.name()},
                {"architectures", result.architectures},
                {"latency", agreement_json(result.latency)},
                {"plain_wall_mean", agreement_json(result.wall)},
                {"median_error_percent", summary.median_error_percent},
                {"anchor_spread_percent", summary.anchor_spread_percent},
                {"seconds", seconds},
                {"sets", {paths[0].string(), paths[1].string()}}});
    return;
  }
  print(str("measured ", result.architectures, " architectures of ", space.name(), " twice on ",
            device.name, " in ", format_duration_ms(1000 * seconds), "\n",
            agreement_text("hat's latency", result.latency),
            agreement_text("plain trimmed wall mean", result.wall),
            "the anchor's wall time varied by ", fixed(summary.anchor_spread_percent, 1),
            " % in the second; both are kept as ", paths[0].string(), " and ",
            paths[1].filename().string(), "\n"));
}

void run_against(const config::Workspace& workspace, const latency::Device& device,
                 const std::string& file, bool json) {
  const latency::LatencySet set =
      latency::read_journal(workspace.device_dir(device.name) / "latency.jsonl");
  latency::LatencySet other = latency::read_journal(file);
  HAT_CHECK(set.anchors && other.anchors && set.anchors->same_networks(*other.anchors) &&
                set.precision == other.precision && set.workload == other.workload,
            ErrorKind::kConfig,
            str(file, " and ", set.origin, " are not of one space, precision and workload"),
            "give a latency.jsonl that this device was measured for before");
  latency::take_reference(set, &other);
  const latency::SetAgreement result = latency::compare_sets(set, other);
  if (json) {
    print_json({{"device", device.name},
                {"architectures", result.architectures},
                {"latency", agreement_json(result.latency)},
                {"plain_wall_mean", agreement_json(result.wall)},
                {"sets", {set.origin, file}}});
    return;
  }
  print(str(result.architectures, " architectures are in both sets\n",
            agreement_text("hat's latency", result.latency),
            agreement_text("plain trimmed wall mean", result.wall)));
}

void print_held_out(const latency::HeldOutReport& report, const std::string& predictor,
                    const std::string& file, bool json) {
  if (json) {
    config::OrderedJson result = accuracy_json(report.accuracy);
    result["rows"] = report.accuracy.rows;
    result["bound_confidence"] = report.confidence;
    result["bound_exceeded_percent"] = report.bound_exceeded_percent;
    result["budgets"] = report.budgets;
    result["budget_exceeded_percent"] = report.budget_exceeded_percent;
    result["model"] = predictor;
    result["held_out"] = file;
    print_json(result);
    return;
  }
  print(str("on ", report.accuracy.rows, " networks it was not trained on (", file, "), the ",
            predictor, " predictor:\n  ", accuracy_text(report.accuracy), "\n  ",
            fixed(report.bound_exceeded_percent, 1), " % exceed the ",
            fixed(100 * report.confidence, 0), " % bound; of ", report.budgets,
            " random budgets kept by the bound ", fixed(report.budget_exceeded_percent, 1),
            " % are exceeded when measured\n"));
}

void run_held_out(const config::Workspace& workspace, const latency::Device& device,
                  latency::MeasureOptions options, int architectures, bool json) {
  const fs::path folder = workspace.device_dir(device.name);
  const std::string first = str("run 'hat measure-latency --device ", device.name, "' first");
  const fs::path journal = folder / "latency.jsonl";
  HAT_CHECK(fs::exists(journal) && fs::exists(folder / "predictor.json"), ErrorKind::kData,
            str("device '", device.name, "' has no measurements and predictor to be tested"),
            first);
  const latency::LatencySet set = latency::read_journal(journal);
  HAT_CHECK(!set.imported, ErrorKind::kUsage,
            str("device '", device.name,
                "' has imported numbers: nothing can be measured beside "
                "them"),
            "test them with 'hat train-predictor --from-csv FILE --train-rows N'");
  const latency::Predictor predictor = latency::Predictor::load(folder / "predictor.json");
  predictor.require(space_of(workspace).id(), options.workload, device.precision);
  options.samples = architectures;
  options.active = false;
  options.seed = mix_seed(options.seed, 2) >> 11;  // the protocol carries 53 bits
  options.former = &set;
  for (const latency::LatencyRow& row : set.rows) {
    if (row.architecture) options.excluded.insert(arch::architecture_id(*row.architecture));
  }
  const fs::path path = folder / "held-out.jsonl";
  latency::measure_latency(device, space_of(workspace), options, path);
  latency::LatencySet held_out = latency::read_journal(path);
  latency::take_reference(set, &held_out);
  const latency::HeldOutReport report = latency::evaluate_held_out(
      predictor, held_out, workspace.config().latency.confidence, options.seed);
  print_held_out(report, predictor.kind(), path.string(), json);
}

}  // namespace hat::cli
