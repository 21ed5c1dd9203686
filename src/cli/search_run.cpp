#include "search_run.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "hat/search/baselines.h"
#include "search_measure.h"

namespace hat::cli {
namespace {

using config::OrderedJson;

constexpr double kNotMeasured = std::numeric_limits<double>::quiet_NaN();

OrderedJson limits_json(const search::Goal& goal, const search::Problem& problem) {
  OrderedJson limits = OrderedJson::array();
  for (const search::Limit& limit : goal.limits) {
    limits.push_back({{"cost", problem.costs[limit.cost].name},
                      {"unit", problem.costs[limit.cost].unit},
                      {"at_most", limit.at_most}});
  }
  return limits;
}

}  // namespace

SearchRun::SearchRun(const SearchSetup& setup, const SearchFlags& flags, Scoring& scoring,
                     bool records)
    : setup_(setup),
      flags_(flags),
      scoring_(scoring),
      records_(records),
      searcher_(setup.problem, scoring.evaluator, options(), setup.anchors),
      goals_(setup.problem.goals.size()),
      begin_ms_(wall_ms()) {}

/// Everything that the answer depends on: an unfinished search with the same request is gone on
/// with.
OrderedJson SearchRun::request() const {
  const search::Options options = this->options();
  OrderedJson goals = OrderedJson::array();
  for (const search::Goal& goal : setup_.problem.goals) {
    OrderedJson front = OrderedJson::array();
    for (int cost : goal.front) front.push_back(setup_.problem.costs[cost].name);
    goals.push_back(
        {{"name", goal.name}, {"limits", limits_json(goal, setup_.problem)}, {"front", front}});
  }
  OrderedJson predictors = OrderedJson::object();
  for (const SearchDevice& device : setup_.devices) {
    predictors[device.device.name] = std::to_string(hash64(device.predictor.to_json().dump()));
    if (!device.energy) continue;
    predictors[device.device.name + " energy"] =
        std::to_string(hash64(device.energy->to_json().dump()));
  }
  return {{"format", "hat-search"},
          {"version", 1},
          {"space", setup_.space.name()},
          {"space_id", setup_.space.id()},
          {"objective", setup_.workspace.config().search.objective},
          {"scores", setup_.score_id},
          {"algorithm", options.algorithm},
          {"evaluations", options.evaluations},
          {"population", options.population},
          {"surrogate", options.surrogate},
          {"sentences", options.sentences},
          {"finalists", setup_.workspace.config().search.finalists},
          {"seed", options.seed},
          {"budget_kept_by", setup_.by_bound ? "bound" : "measurement"},
          {"baselines", !flags_.no_baselines},
          {"fresh", flags_.fresh},
          {"predictors", predictors},
          {"goals", goals}};
}

fs::path SearchRun::find_unfinished(const OrderedJson& request) const {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(setup_.workspace.searches_dir(), error)) {
    if (fs::exists(entry.path() / "result.json")) continue;
    const fs::path path = entry.path() / "request.json";
    if (!fs::exists(path)) continue;
    if (OrderedJson(config::load_json(path)) == config::Json(request)) return entry.path();
  }
  return {};
}

/// Takes the networks of an earlier --pareto search of the same SuperTransformer and predictors,
/// when it has one: any budget on its costs is answered from them without another evaluation.
bool SearchRun::adopt_front() {
  if (flags_.pareto || flags_.fresh) return false;
  std::error_code error;
  std::vector<search::Candidate> front;
  int64_t newest = 0;
  for (const auto& entry : fs::directory_iterator(setup_.workspace.searches_dir(), error)) {
    int64_t number = 0;
    if (!fs::exists(entry.path() / "result.json") ||
        !parse_int(entry.path().filename().string(), &number) || number < newest) {
      continue;
    }
    const config::Json result = config::load_json(entry.path() / "result.json");
    if (!result.value("pareto", false) || result.value("scores", "") != setup_.score_id) continue;
    std::vector<search::Candidate> found;
    size_t covered = 0;
    for (const search::Goal& goal : setup_.problem.goals) {
      for (const config::Json& theirs : result.value("goals", config::Json::array())) {
        if (theirs.value("name", "") != goal.name || theirs.value("limited", true)) continue;
        ++covered;
        for (const config::Json& one : theirs.value("front", config::Json::array())) {
          const arch::Architecture architecture = arch::architecture_from_json(
              config::get_member(one, "architecture", entry.path().string()),
              entry.path().string());
          if (!setup_.space.contains(architecture)) continue;
          search::Candidate candidate =
              searcher_.costs().candidate(setup_.space.encode(architecture));
          candidate.loss = config::get_double(one, "loss", entry.path().string());
          if (scoring_.store.find(candidate.key, full_sentences()))
            found.push_back(std::move(candidate));
        }
      }
    }
    bool answers = covered == setup_.problem.goals.size();
    for (const search::Goal& goal : setup_.problem.goals) {
      answers = answers && search::best_of(found, goal.limits) != nullptr;
    }
    if (!answers) continue;
    newest = number;
    front = std::move(found);
    answered_from_ = entry.path();
  }
  if (front.empty()) return false;
  searcher_.adopt(std::move(front));
  log_info("search", str("answered from the front of search ", answered_from_.filename().string(),
                         "; --fresh searches anew"));
  return true;
}

int SearchRun::measured_cost(size_t goal) const {
  const int device = setup_.goal_device[goal];
  return device < 0 ? -1 : setup_.devices[device].cost;
}

void SearchRun::run() {
  if (records_) open_records();
  if (!records_ || !adopt_front()) search();
  for (size_t goal = 0; goal < goals_.size(); ++goal) finish_goal(goal);
  for (size_t goal = 0; goal < goals_.size(); ++goal) compare(goal);
}

void SearchRun::open_records() {
  const OrderedJson request = this->request();
  directory_ = find_unfinished(request);
  if (directory_.empty()) {
    directory_ = setup_.workspace.new_search_dir();
    config::write_run_records(directory_, setup_.workspace, invocation().text());
    config::save_json(directory_ / "request.json", request);
  } else {
    log_info("search", str("going on with ", directory_.string()));
  }
  journal_ = std::make_unique<search::RunJournal>(directory_ / "journal.jsonl");
}

/// Writes down the networks that have joined the pool since.
void SearchRun::note_step(const search::Step& step) {
  if (!journal_) return;
  for (; journaled_ < searcher_.pool().size(); ++journaled_) {
    const search::Candidate& candidate = searcher_.pool()[journaled_];
    OrderedJson event = {{"event", "scored"},
                         {"n", journaled_ + 1},
                         {"generation", step.generation},
                         {"id", candidate.key},
                         {"sentences", options().sentences},
                         {"loss", candidate.loss}};
    for (size_t i = 0; i < candidate.costs.size(); ++i) {
      event["costs"][setup_.problem.costs[i].name] = candidate.costs[i];
    }
    journal_->record(event);
  }
}

void SearchRun::note_finish(size_t goal) {
  if (!journal_) return;
  const search::Finish& finish = goals_[goal].finish;
  for (size_t i = 0; i < finish.finalists.size(); ++i) {
    const search::Finalist& finalist = finish.finalists[i];
    const bool measured = !std::isnan(finalist.measured);
    journal_->record({{"event", "finalist"},
                      {"goal", setup_.problem.goals[goal].name},
                      {"id", finalist.candidate.key},
                      {"loss", finalist.candidate.loss},
                      {"measured", measured ? OrderedJson(finalist.measured) : OrderedJson()},
                      {"keeps_budget", finalist.keeps},
                      {"winner", static_cast<int>(i) == finish.winner}});
  }
}

void SearchRun::search() {
  const search::Options options = this->options();
  Progress progress("search", static_cast<uint64_t>(options.evaluations), "evaluations");
  std::unique_ptr<config::MetricsLog> metrics;
  if (records_) {
    // Written anew by a resumed search, which passes the same steps.
    fs::remove(directory_ / "metrics.jsonl");
    metrics = std::make_unique<config::MetricsLog>(directory_ / "metrics.jsonl");
  }
  int logged = -1;
  searcher_.on_step = [&](const search::Step& step) {
    note_step(step);
    const search::Goal& goal = setup_.problem.goals[0];
    const bool found = !std::isnan(step.best_loss);
    std::string note = str("generation ", step.generation);
    if (found) note += str("  ", setup_.loss_name, " ", fixed(step.best_loss, 4));
    if (found && !goal.limits.empty()) {
      note += str("  budget left ", fixed(100 * step.slack, 1), " %");
    }
    progress.update(static_cast<uint64_t>(step.evaluations), note);
    if (!metrics || step.generation == logged) return;
    logged = step.generation;
    metrics->write({{"generation", step.generation},
                    {"evaluations", step.evaluations},
                    {"best_loss", found ? OrderedJson(step.best_loss) : OrderedJson()},
                    {"slack", step.slack},
                    {"seconds", (wall_ms() - begin_ms_) / 1000}});
  };
  searcher_.run(options.evaluations);
  search_evaluations_ = static_cast<int>(searcher_.pool().size());
  progress.finish();
  searcher_.on_step = [this](const search::Step& step) { note_step(step); };
  if (searcher_.exhausted()) {
    log_info("search", str("ended at ", search_evaluations_, " of ", options.evaluations,
                           " evaluations: every network ",
                           options.algorithm == "nsga2" ? "within the budget" : "of this algorithm",
                           " is scored"));
  }
}

void SearchRun::finish_goal(size_t goal) {
  search::FinishOptions finishing;
  finishing.finalists = setup_.workspace.config().search.finalists;
  finishing.shortlist = std::max(finishing.shortlist, finishing.finalists);
  finishing.sentences = full_sentences();
  if (!answered_from_.empty()) finishing.extra_evaluations = 0;
  const int cost = measured_cost(goal);
  const search::Goal& asked = setup_.problem.goals[goal];
  FinalistMeters meters;
  if (cost >= 0 && !setup_.by_bound && !asked.limits.empty()) {
    meters = finalist_meters(setup_.workspace, setup_.devices[setup_.goal_device[goal]].device,
                             setup_.space, cost);
  }
  GoalResult& result = goals_[goal];
  if (!asked.front.empty()) {
    for (size_t index : search::front_of(searcher_.pool(), asked)) {
      result.front.push_back(searcher_.pool()[index]);
    }
    scoring_.evaluator.score(result.front, full_sentences());
    // With the better scores some no longer belong to the front.
    const std::vector<search::Candidate> rescored = std::move(result.front);
    result.front.clear();
    for (size_t index : search::front_of(rescored, asked)) result.front.push_back(rescored[index]);
  }
  search::Finisher finisher(searcher_, scoring_.evaluator, finishing);
  const search::Genotype& anchor = setup_.reaches[std::max(cost, 0)].at_smallest;
  result.finish = finisher.finish(goal, cost, meters.measure, anchor, meters.confirm);
  note_finish(goal);
  if (result.finish.winner < 0) {
    double nearest = std::numeric_limits<double>::infinity();
    for (const search::Finalist& finalist : result.finish.finalists) {
      nearest = std::min(nearest, finalist.measured);
    }
    fail(ErrorKind::kInfeasible,
         str("none of ", result.finish.finalists.size(), " measured networks keeps ",
             setup_.problem.costs[cost].name, " of ",
             setup_.format(setup_.problem.costs[cost], asked.limits[0].at_most),
             "; the fastest took ", setup_.format(setup_.problem.costs[cost], nearest)),
         str("The predictor is off by ", fixed(100 * (result.finish.bias - 1), 1),
             " % there: run 'hat measure-latency' again, or ask for more."));
  }
}

search::ReportRow SearchRun::row(const std::string& name, const search::Candidate& candidate,
                                 size_t goal, double measured) const {
  search::ReportRow row;
  row.name = name;
  row.id = candidate.key;
  row.loss = candidate.loss;
  const arch::Architecture architecture = setup_.decode(candidate.genotype);
  for (const search::CostModel& model : setup_.models) {
    row.costs.push_back(model.predict(architecture));
  }
  const int cost = measured_cost(goal);
  row.bound = cost < 0 ? kNotMeasured : setup_.models[cost].upper_bound(architecture);
  row.measured = measured;
  std::vector<double> values = candidate.costs;
  if (!std::isnan(measured)) values[cost] = measured;
  row.keeps = search::keeps(values, setup_.problem.goals[goal].limits);
  return row;
}

void SearchRun::add_best(const std::string& name, std::vector<search::Candidate> candidates,
                         size_t goal) {
  if (candidates.empty()) return;
  scoring_.evaluator.score(candidates, full_sentences());
  const search::Candidate* best = &candidates[0];
  for (const search::Candidate& candidate : candidates) {
    if (candidate.loss < best->loss) best = &candidate;
  }
  goals_[goal].rows.push_back(row(name, *best, goal, kNotMeasured));
}

void SearchRun::compare(size_t goal) {
  GoalResult& result = goals_[goal];
  const search::Finalist& winner = result.finish.finalists[result.finish.winner];
  result.rows.push_back(row("winner", winner.candidate, goal, winner.measured));
  if (flags_.no_baselines || !answered_from_.empty()) return;
  const std::vector<search::Limit>& limits = setup_.problem.goals[goal].limits;
  search::CostTable& table = searcher_.costs();
  const auto candidates = [&](const std::vector<search::Genotype>& genotypes) {
    std::vector<search::Candidate> made;
    for (const search::Genotype& genotype : genotypes) made.push_back(table.candidate(genotype));
    return made;
  };
  add_best("largest", candidates({search::largest_genotype(setup_.genotypes)}), goal);
  add_best("depth sweep", candidates(search::depth_sweep(table, limits, 12)), goal);
  add_best("uniform scaling", candidates(search::uniform_scaling(table, limits, 6)), goal);

  search::Options random = options();
  random.algorithm = "random";
  search::Problem problem = setup_.problem;
  problem.goals = {setup_.problem.goals[goal]};
  search::Searcher searcher(problem, scoring_.evaluator, random, {setup_.anchors[goal]});
  Progress progress("random search, to compare", static_cast<uint64_t>(search_evaluations_),
                    "evaluations");
  searcher.on_step = [&](const search::Step& step) {
    progress.update(
        static_cast<uint64_t>(step.evaluations),
        std::isnan(step.best_loss) ? "" : str(setup_.loss_name, " ", fixed(step.best_loss, 4)));
  };
  searcher.run(search_evaluations_);
  std::vector<search::Candidate> drawn = searcher.pool();
  std::stable_sort(drawn.begin(), drawn.end(),
                   [](const auto& a, const auto& b) { return a.loss < b.loss; });
  if (drawn.size() > 5) drawn.resize(5);
  add_best("random search", std::move(drawn), goal);
}

OrderedJson SearchRun::goal_json(size_t goal) const {
  const search::Goal& asked = setup_.problem.goals[goal];
  const GoalResult& result = goals_[goal];
  const int cost = measured_cost(goal);
  const search::Finalist& winner = result.finish.finalists[result.finish.winner];
  OrderedJson json = {{"name", asked.name},
                      {"limited", !asked.limits.empty()},
                      {"limits", limits_json(asked, setup_.problem)}};
  json["winner"] = search::to_json(result.rows[0], setup_.problem.costs, cost);
  json["winner"]["architecture"] = arch::to_json(setup_.decode(winner.candidate.genotype));
  json["measured_over_predicted"] = result.finish.bias;
  for (size_t i = 1; i < result.rows.size(); ++i) {
    json["baselines"].push_back(search::to_json(result.rows[i], setup_.problem.costs, cost));
  }
  for (const search::Finalist& finalist : result.finish.finalists) {
    const search::ReportRow one = row("finalist", finalist.candidate, goal, finalist.measured);
    json["finalists"].push_back(search::to_json(one, setup_.problem.costs, cost));
  }
  for (const search::Candidate& candidate : result.front) {
    OrderedJson one =
        search::to_json(row("front", candidate, goal, kNotMeasured), setup_.problem.costs, cost);
    one["architecture"] = arch::to_json(setup_.decode(candidate.genotype));
    json["front"].push_back(one);
  }
  return json;
}

void SearchRun::write_results() const {
  OrderedJson result = request();
  result["goals"] = OrderedJson::array();
  result["pareto"] = flags_.pareto;
  result["evaluations"] = search_evaluations_;
  if (!answered_from_.empty()) result["answered_from"] = answered_from_.filename().string();
  for (size_t goal = 0; goal < goals_.size(); ++goal) result["goals"].push_back(goal_json(goal));
  // The first goal's, where other commands look for them.
  const OrderedJson& first = result["goals"][0];
  for (const char* key :
       {"loss", "predicted_latency_ms", "bound_latency_ms", "measured_latency_ms"}) {
    if (first["winner"].contains(key)) result[key] = first["winner"][key];
  }
  result["architecture"] = first["winner"]["architecture"];
  if (first.contains("front")) result["front"] = first["front"];
  config::save_json(directory_ / "architecture.json", first["winner"]["architecture"]);
  for (const OrderedJson& goal : result["goals"]) {
    if (result["goals"].size() < 2) break;
    config::save_json(directory_ / str("architecture-", goal["name"].get<std::string>(), ".json"),
                      goal["winner"]["architecture"]);
  }
  // Last: a folder with result.json is a finished search.
  config::save_json(directory_ / "result.json", result);
}

std::string SearchRun::text() const {
  std::string out;
  for (size_t goal = 0; goal < goals_.size(); ++goal) {
    const search::Goal& asked = setup_.problem.goals[goal];
    const GoalResult& result = goals_[goal];
    std::string limits;
    for (const search::Limit& limit : asked.limits) {
      const search::Cost& cost = setup_.problem.costs[limit.cost];
      limits += str(limits.empty() ? " within " : " and ", cost.name, " ",
                    setup_.format(cost, limit.at_most));
    }
    out += str("search ", directory_.filename().string(), ": the best network", limits,
               asked.name.empty() ? "" : " on " + asked.name, "\n\n",
               search::report_table(result.rows, setup_.problem.costs, measured_cost(goal),
                                    setup_.loss_name),
               "\n");
    const int cost = measured_cost(goal);
    if (!asked.limits.empty() && asked.limits[0].cost == cost) {
      const search::ReportRow& winner = result.rows[0];
      const bool measured = !std::isnan(winner.measured);
      const double used = measured ? winner.measured : winner.bound;
      out += str("  ", fixed(100 * (1 - used / asked.limits[0].at_most), 1),
                 " % of the budget is left by ", measured ? "measurement" : "the bound",
                 measured ? "" : ": nothing was measured on the device", "\n");
      if (measured && result.rows.size() > 1) {
        out += "  it keeps it in two measurements; the networks below it were only predicted\n";
      }
    }
    if (!result.front.empty()) {
      std::vector<search::ReportRow> rows;
      for (const search::Candidate& candidate : result.front) {
        rows.push_back(row(candidate.key, candidate, goal, kNotMeasured));
      }
      out += str("  the front, ", rows.size(), " networks:\n\n",
                 search::report_table(rows, setup_.problem.costs, cost, setup_.loss_name));
    }
    const search::Finalist& winner = result.finish.finalists[result.finish.winner];
    out += "\n" + arch::draw(setup_.decode(winner.candidate.genotype)) + "\n";
  }
  out +=
      str("  ", scoring_.evaluator.asked(), " evaluations, ", scoring_.evaluator.computed(),
          " of them computed now, ", format_duration_ms(wall_ms() - begin_ms_), "\n  wrote ",
          directory_.string(), "\n  next: ",
          flags_.pareto ? "hat search --latency BUDGET answers from this front; then hat finetune"
                        : "hat finetune",
          "\n");
  return out;
}

}  // namespace hat::cli
