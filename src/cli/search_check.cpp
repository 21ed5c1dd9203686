#include "search_check.h"

#include <algorithm>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/progress.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "search_measure.h"
#include "search_run.h"
#include "table.h"

namespace hat::cli {
namespace {

using config::OrderedJson;

// Budgets nearer to the smallest network than this cannot be told from impossible ones.
constexpr double kAboveSmallest = 1.03;
constexpr int kVisits = 2;
// A winner whose time may lie on either side of its budget is visited so often at most.
constexpr int kMostVisits = 5;

/// One whole search; the winner and its measurement, or what stood in the way.
OrderedJson search_once(SearchFlags flags, double budget_ms, int number, Scoring& scoring) {
  flags.latency = {str(fixed(budget_ms, 6), "ms")};
  flags.no_baselines = true;
  OrderedJson row = {{"number", number}, {"budget_ms", budget_ms}};
  const double begin_ms = wall_ms();
  try {
    const SearchSetup setup(flags);
    SearchRun run(setup, flags, scoring, /*records=*/false);
    run.run();
    const search::Finish& finish = run.goals()[0].finish;
    const search::Finalist& winner = finish.finalists[finish.winner];
    row["id"] = winner.candidate.key;
    row["loss"] = winner.candidate.loss;
    row["predicted_ms"] = winner.candidate.costs[setup.devices[0].cost];
    row["measured_ms"] = winner.measured;
    row["architecture"] = arch::to_json(setup.decode(winner.candidate.genotype));
  } catch (const Error& error) {
    // A budget that is found to be out of reach is refused; that is an answer too.
    if (error.kind() != ErrorKind::kInfeasible) throw;
    row["refused"] = error.message();
  }
  row["seconds"] = (wall_ms() - begin_ms) / 1000;
  return row;
}

/// Measures the winners from nothing, in another order: other connections, nothing remembered, no
/// prediction. A winner keeps its budget when the whole range that its visits leave does; "open" is
/// one of which they cannot say it.
void measure_again(OrderedJson& rows, const SearchSetup& setup, Rng& rng) {
  std::vector<size_t> order;
  for (size_t i = 0; i < rows.size(); ++i) {
    if (rows[i].contains("id")) order.push_back(i);
  }
  const FreshMeter measure = fresh_meter(setup.workspace, setup.devices[0].device, setup.space);
  std::vector<latency::TimeRange> times(rows.size());
  const auto open = [&](size_t i) {
    const double budget_ms = rows[i]["budget_ms"];
    return times[i].least_ms() <= budget_ms && times[i].most_ms() > budget_ms;
  };
  Progress progress("measure again", kVisits * order.size(), "visits");
  uint64_t done = 0;
  for (int visit = 0; visit < kMostVisits; ++visit) {
    rng.shuffle(order);
    for (const size_t i : order) {
      if (visit >= kVisits && !open(i)) continue;
      const arch::Architecture architecture =
          arch::architecture_from_json(config::Json(rows[i]["architecture"]), "winner");
      const latency::LatencyRow row = measure(architecture);
      times[i].add(row.total_ms, row.quiet_ms);
      if (visit < kVisits) progress.update(++done);
    }
  }
  progress.finish();
  for (const size_t i : order) {
    const double budget_ms = rows[i]["budget_ms"];
    rows[i]["measured_again_ms"] = times[i].least_ms();
    rows[i]["measured_again_most_ms"] = times[i].most_ms();
    rows[i]["unused_percent"] = 100 * (1 - times[i].most_ms() / budget_ms);
    rows[i]["kept"] = times[i].most_ms() <= budget_ms;
    rows[i]["open"] = open(i);
  }
}

int count_of(const OrderedJson& rows, const char* verdict) {
  return static_cast<int>(std::count_if(
      rows.begin(), rows.end(), [&](const OrderedJson& row) { return row.value(verdict, false); }));
}

}  // namespace

OrderedJson check_budgets(const SearchFlags& flags, const SearchSetup& setup, Scoring& scoring,
                          int count) {
  HAT_CHECK(setup.devices.size() == 1 && setup.problem.goals[0].limits.empty() && !setup.by_bound,
            ErrorKind::kUsage,
            "--check-budgets draws latency budgets of one device that can be measured now",
            "Run it without budgets and without --no-measure, after 'hat measure-latency'.");
  const search::Reach& reach = setup.reaches[setup.devices[0].cost];
  const double low = reach.smallest * kAboveSmallest;
  Rng rng(static_cast<uint64_t>(setup.workspace.config().seed), "check-budgets");
  Progress progress("check-budgets", static_cast<uint64_t>(count), "searches");
  OrderedJson rows = OrderedJson::array();
  for (int i = 0; i < count; ++i) {
    const double budget_ms = low + (reach.largest - low) * rng.uniform();
    rows.push_back(search_once(flags, budget_ms, i + 1, scoring));
    progress.update(static_cast<uint64_t>(i + 1), str(scoring.evaluator.computed(), " scores"));
  }
  progress.finish();

  measure_again(rows, setup, rng);
  std::vector<double> unused;
  for (const OrderedJson& row : rows) {
    if (row.contains("unused_percent")) unused.push_back(row["unused_percent"]);
  }
  OrderedJson json = {{"format", "hat-budget-check"},
                      {"version", 1},
                      {"space", setup.space.name()},
                      {"device", setup.devices[0].device.name},
                      {"evaluations", setup.workspace.config().search.evaluations},
                      {"searches", count},
                      {"refused", count - static_cast<int>(unused.size())},
                      {"kept", count_of(rows, "kept")},
                      {"open", count_of(rows, "open")},
                      {"computed_scores", scoring.evaluator.computed()}};
  if (!unused.empty()) {
    json["median_unused_percent"] = median(unused);
    json["unused_percent_10"] = quantile(unused, 0.1);
    json["unused_percent_90"] = quantile(unused, 0.9);
  }
  json["rows"] = rows;
  return json;
}

std::string budget_check_text(const OrderedJson& json) {
  std::string text;
  std::vector<std::vector<std::string>> rows{
      {"search", "budget ms", "predicted", "measured", "again", "unused", "loss"}};
  for (const OrderedJson& row : json["rows"]) {
    const std::string number = std::to_string(row["number"].get<int>());
    const std::string budget = fixed(row["budget_ms"].get<double>(), 3);
    if (!row.contains("id")) {
      rows.push_back({number, budget, "refused", "", "", "", ""});
      continue;
    }
    const double again = row["measured_again_most_ms"];
    rows.push_back({number, budget, fixed(row["predicted_ms"].get<double>(), 3),
                    fixed(row["measured_ms"].get<double>(), 3), fixed(again, 3),
                    fixed(row["unused_percent"].get<double>(), 1) + " %",
                    fixed(row["loss"].get<double>(), 4)});
  }
  text += table(rows) + "\n";
  const int answered = json["searches"].get<int>() - json["refused"].get<int>();
  text += str("  ", json["kept"].get<int>(), " of ", answered,
              " winners keep their budget when measured again");
  const int open = json["open"].get<int>();
  if (open > 0) text += str(", ", open, " cannot be told (the device was too unsteady)");
  if (json.contains("median_unused_percent")) {
    text += str("; ", fixed(json["median_unused_percent"].get<double>(), 1),
                " % of the budget unused in the median");
  }
  return text + str("\n  ", json["refused"].get<int>(),
                    " budgets refused because no measured network kept them\n");
}

}  // namespace hat::cli
