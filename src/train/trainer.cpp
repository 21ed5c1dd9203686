#include "hat/train/trainer.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "candidates.h"
#include "first_phase.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/progress.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/config/workspace.h"
#include "hat/data/batch.h"
#include "hat/train/adam.h"
#include "hat/train/checkpoint.h"
#include "hat/train/schedule.h"
#include "metrics_window.h"
#include "precision_choice.h"
#include "run_records.h"
#include "stepper.h"
#include "time_plan.h"

namespace hat::train {
namespace {

constexpr int kValidations = 20;          // in a run, when the config leaves it open
constexpr double kCheckpointMs = 60'000;  // between checkpoints, when the config leaves it open
constexpr int kMostSkippedUpdates = 20;   // in a row, before the run is given up
constexpr double kRefitUntil = 0.9;       // share of the run in which its length may change
constexpr double kRefitTolerance = 0.02;
constexpr int kUpdatesBeforeForecast = 10;

AdamOptions adam_options(const config::TrainConfig& config) {
  return {config.adam_beta1, config.adam_beta2, config.adam_epsilon, config.weight_decay};
}

data::BatchOptions batch_options(const TrainerSetup& setup) {
  return {.batch_tokens = setup.config.batch_tokens,
          .max_rows = 0,
          .seed = setup.seed,
          .shuffle = true};
}

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

class Run {
 public:
  explicit Run(const TrainerSetup& setup);
  TrainResult execute();

 private:
  void begin();
  void begin_new();
  void keep_inherited();
  void use_precision();
  void decide_schedule();
  void forecast();
  void refit();
  Schedule schedule() const;
  bool in_first_phase() const;
  void end_first_phase();
  UpdateStats one_update();
  void record(const UpdateStats& stats, double ms);
  double validate(std::vector<double>* losses, const std::string& candidate = "");
  void compare(double loss);
  void validate_and_keep();
  void add_to_average();
  void save_checkpoint();
  void save_checkpoint_if_due();
  TrainResult choose_final();
  int64_t validation_interval() const;
  double elapsed_ms() const {
    return state_.elapsed_ms + (state_.finished ? 0 : wall_ms() - session_begin_ms_);
  }
  bool time_is_limited() const { return state_.limit_minutes > 0; }
  bool finished() const { return state_.update >= state_.total_updates || stopped_early_; }

  const TrainerSetup& setup_;
  model::ParameterStore& store_;
  config::OrderedJson settings_;
  CheckpointStore checkpoints_;
  Adam adam_;
  data::BatchIterator batches_;
  Stepper stepper_;
  TrainState state_;
  TimePlan time_plan_;
  RunSize size_;
  Candidates candidates_;
  FirstPhase first_phase_;
  std::unique_ptr<config::MetricsLog> metrics_;
  std::unique_ptr<Progress> progress_;
  double session_begin_ms_ = wall_ms();
  double last_checkpoint_ms_ = wall_ms();
  int64_t session_updates_ = 0;
  int skipped_ = 0;
  bool stopped_early_ = false;
  bool forecast_done_ = false;

  MetricsWindow window_;
};

Run::Run(const TrainerSetup& setup)
    : setup_(setup),
      store_(setup.network.parameters()),
      settings_(settings_of(setup)),
      checkpoints_(setup.directory / "checkpoint"),
      adam_(adam_options(setup.config), store_.values().numel(), store_.size()),
      batches_(setup.train, batch_options(setup)),
      stepper_(setup.network, setup.strategy, adam_,
               {.dropout = {setup.config.dropout, setup.config.attention_dropout,
                            setup.config.activation_dropout},
                .label_smoothing = setup.config.label_smoothing,
                .clip_norm = setup.config.clip_norm,
                .seed = setup.seed,
                .whole_tensors = setup.whole_tensors,
                .teacher = setup.teacher}),
      time_plan_(0),
      candidates_(setup),
      first_phase_(setup) {
  for (size_t i = 0; i < setup.train.size(); ++i) {
    size_.target_tokens_per_epoch += setup.train.target_length(i);
  }
  size_.updates_per_epoch =
      static_cast<double>(batches_.plan().size()) / std::max(1, setup.config.accumulate);
  const arch::Architecture& capacities = setup.network.spec().capacities;
  size_.width = std::max(capacities.encoder_embed_dim, capacities.decoder_embed_dim);
}

void Run::begin() {
  ensure_directory(setup_.directory);
  if (setup_.restart) checkpoints_.clear();
  const fs::path metrics = setup_.directory / "metrics.jsonl";
  if (auto state = checkpoints_.load(settings_, store_, adam_, candidates_.averages())) {
    state_ = *state;
    batches_.seek(data::BatchCursor::parse(state_.cursor));
    use_precision();
    stepper_.set_split(state_.split);
    if (time_is_limited() && setup_.config.max_minutes > 0) {
      state_.limit_minutes = setup_.config.max_minutes;
    }
    cut_metrics(metrics, state_.update);
    log_info("train", str("going on after update ", with_commas(state_.update), " of ",
                          with_commas(state_.total_updates)));
  } else {
    std::error_code error;
    fs::remove(metrics, error);
    begin_new();
  }
  time_plan_ = TimePlan(state_.limit_minutes * 60'000);
  metrics_ = std::make_unique<config::MetricsLog>(metrics);
  progress_ = std::make_unique<Progress>(setup_.label, state_.total_updates, "updates");
  progress_->start_at(state_.update);
}

void Run::begin_new() {
  const config::TrainConfig& c = setup_.config;
  state_.precision = choose_precision(setup_);
  use_precision();
  state_.total_updates = c.max_updates > 0 ? c.max_updates : default_updates(size_);
  state_.warmup_updates = c.warmup_updates > 0
                              ? c.warmup_updates
                              : default_warmup(state_.total_updates, setup_.inherited);
  state_.learning_rate = c.learning_rate > 0 ? c.learning_rate : default_learning_rate(size_);
  if (c.max_updates == 0) state_.limit_minutes = c.max_minutes;
  state_.schedule_is_final = !time_is_limited();
  state_.next_validation = validation_interval();
  log_info("train", str(with_commas(setup_.train.size()), " pairs, ",
                        with_commas(static_cast<uint64_t>(size_.target_tokens_per_epoch)),
                        " target tokens in ", batches_.plan().size(), " batches, ",
                        fixed(100 * batches_.plan().padding_share(), 1), " % padding; strategy ",
                        setup_.strategy.name(), ", ", state_.precision, ", peak learning rate ",
                        state_.learning_rate));
  if (setup_.inherited) keep_inherited();
  save_checkpoint();  // a full disk shows now, not after an hour
}

void Run::keep_inherited() {
  std::vector<double> losses;
  const double loss = validate(&losses);
  log_info("train", str("before training: validation loss ", fixed(loss, 3)));
  if (!std::isfinite(loss)) return;
  state_.best_loss = loss;
  state_.best_update = 0;
  candidates_.save_best(0);
}

void Run::use_precision() {
  const model::Compute compute = model::resolve_compute(state_.precision);
  setup_.network.set_compute(compute);
  if (setup_.teacher.network) setup_.teacher.network->set_compute(compute);
}

// A twentieth of the run, but never so often that validating takes a tenth of the time; counted in
// tokens, not measured, so that equal runs do the same. Without gradients a token costs a third.
int64_t Run::validation_interval() const {
  if (setup_.config.validate_every > 0) return setup_.config.validate_every;
  const double update_tokens = static_cast<double>(size_.target_tokens_per_epoch) /
                               size_.updates_per_epoch * setup_.strategy.passes();
  const double valid_tokens =
      static_cast<double>(setup_.valid.tokens()) * static_cast<double>(setup_.watched.size()) / 3;
  const int64_t affordable = static_cast<int64_t>(10 * valid_tokens / update_tokens);
  return std::max<int64_t>({1, state_.total_updates / kValidations, affordable});
}

Schedule Run::schedule() const {
  Schedule schedule;
  schedule.kind = parse_schedule(setup_.config.schedule);
  schedule.peak = state_.learning_rate;
  schedule.warmup_updates = state_.warmup_updates;
  schedule.total_updates = state_.total_updates;
  return schedule;
}

bool Run::in_first_phase() const {
  return !state_.reordered && state_.update < first_phase_.end(state_.total_updates);
}

// The next checkpoint has the new order; a run resumed from an earlier one comes here again.
void Run::end_first_phase() {
  const auto flat = [](const at::Tensor& t) {
    return std::span(t.data_ptr<float>(), static_cast<size_t>(t.numel()));
  };
  const std::span<float> buffers[] = {flat(store_.values()), adam_.first_moments(),
                                      adam_.second_moments(), candidates_.averages().validated,
                                      candidates_.averages().moving};
  first_phase_.reorder(buffers, stepper_.split());
  state_.reordered = true;
}

UpdateStats Run::one_update() {
  const double begin = wall_ms();
  const bool first_phase = in_first_phase();
  if (first_phase_.enabled() && !first_phase && !state_.reordered) end_first_phase();
  std::vector<TensorBatch> batches;
  for (int i = 0; i < std::max(1, setup_.config.accumulate); ++i) {
    batches.push_back(to_tensors(data::make_batch(setup_.train, batches_.next())));
  }
  window_.add_data_ms(wall_ms() - begin);
  std::vector<Path> paths = setup_.strategy.paths(state_.update);
  if (first_phase) paths = first_phase_.paths();
  const UpdateStats stats =
      stepper_.run(state_.update, paths, batches, schedule().at(state_.update));
  state_.split = stepper_.split();
  ++state_.update;
  state_.target_tokens += stats.tokens;
  if (setup_.config.ema > 0) candidates_.add_to_moving(state_.update);
  time_plan_.add_update((wall_ms() - begin) / first_phase_.cost(first_phase));
  time_plan_.set_cost_ahead(first_phase_.cost_ahead(state_.update, state_.total_updates));
  return stats;
}

// One row for every 200th of the run, so that the file stays small and curves smooth.
void Run::record(const UpdateStats& stats, double ms) {
  if (stats.skipped) {
    log_warning("train", str("update ", state_.update, " left out: its gradient is not finite"));
    HAT_CHECK(++skipped_ < kMostSkippedUpdates, ErrorKind::kData,
              str("the loss is not finite for ", skipped_, " updates in a row"),
              "Lower train.learning_rate, or set train.precision to fp32.");
    return;
  }
  skipped_ = 0;
  window_.add(stats, ms);
  progress_->update(state_.update, window_.text());
  if (window_.updates() < std::max<int64_t>(1, state_.total_updates / 200) && !finished()) return;

  config::OrderedJson row = {{"kind", "train"},
                             {"update", state_.update},
                             {"learning_rate", schedule().at(state_.update - 1)},
                             {"target_tokens", state_.target_tokens},
                             {"padding_share", batches_.plan().padding_share()},
                             {"minutes", elapsed_ms() / 60'000}};
  row.update(window_.to_json());
  metrics_->write(row);
  window_ = {};
}

void Run::decide_schedule() {
  const int64_t fitted = time_plan_.fit(state_.update, elapsed_ms(), kValidations + 3);
  state_.total_updates = fitted;
  if (setup_.config.warmup_updates == 0)
    state_.warmup_updates = default_warmup(fitted, setup_.inherited);
  state_.schedule_is_final = true;
  state_.next_validation = state_.update + validation_interval();
  progress_->set_total(state_.total_updates);
  save_checkpoint();
}

// What the run will take, and what that buys.
void Run::forecast() {
  forecast_done_ = true;
  const double left_ms =
      static_cast<double>(state_.total_updates - state_.update) * time_plan_.update_ms();
  const double epochs = state_.total_updates / std::max(1e-9, size_.updates_per_epoch);
  const int64_t usual = default_updates(size_);
  std::string text =
      str(with_commas(state_.total_updates), " updates at ",
          format_duration_ms(time_plan_.update_ms()), " each: about ", format_duration_ms(left_ms),
          ", ", fixed(epochs, 1), " passes over the data");
  if (state_.total_updates < usual * 9 / 10) {
    text += str("; a full training would be ", with_commas(usual), " updates, ",
                format_duration_ms(usual * time_plan_.update_ms()),
                " (expect weaker networks from less)");
  } else if (!time_is_limited()) {
    text += "; --max-minutes N fits the schedule to less time";
  }
  log_info("train", text);
}

void Run::refit() {
  if (!time_is_limited() || !state_.schedule_is_final) return;
  if (state_.update > kRefitUntil * static_cast<double>(state_.total_updates)) return;
  const int64_t interval = std::max<int64_t>(1, validation_interval());
  const int left = static_cast<int>((state_.total_updates - state_.update) / interval) + 3;
  const int64_t fitted = time_plan_.fit(state_.update, elapsed_ms(), left);
  const double change = std::abs(static_cast<double>(fitted - state_.total_updates));
  if (change < kRefitTolerance * static_cast<double>(state_.total_updates)) return;
  log_debug("train",
            str("the schedule now ends at update ", fitted, ", was ", state_.total_updates));
  state_.total_updates = std::max(fitted, state_.warmup_updates + 1);
  progress_->set_total(state_.total_updates);
}

// `candidate` names the weights when the run is over and the best are chosen.
double Run::validate(std::vector<double>* losses, const std::string& candidate) {
  const double begin = wall_ms();
  config::OrderedJson row;
  row["kind"] = candidate.empty() ? "valid" : "final";
  row["update"] = state_.update;
  if (!candidate.empty()) row["weights"] = candidate;
  losses->clear();
  for (const Watched& watched : setup_.watched) {
    setup_.network.set_architecture(watched.architecture);
    const model::LossSums sums =
        setup_.valid.evaluate(setup_.network, setup_.config.label_smoothing);
    const double loss = sums.loss / static_cast<double>(sums.tokens);
    const double nll = sums.nll / static_cast<double>(sums.tokens);
    row[watched.name] = {{"loss", loss}, {"nll", nll}, {"perplexity", std::exp(nll)}};
    losses->push_back(loss);
  }
  const double loss = mean(*losses);
  row["mean_loss"] = loss;
  row["minutes"] = elapsed_ms() / 60'000;
  if (metrics_) metrics_->write(row);
  time_plan_.set_validation_ms(wall_ms() - begin);
  return loss;
}

void Run::add_to_average() {
  const int64_t span =
      validation_interval() * static_cast<int64_t>(setup_.config.average_checkpoints);
  if (state_.update <= state_.total_updates - span) return;
  candidates_.add_validated(state_.averaged++);
}

/// Keeps the weights of a validation where they are the best so far.
void Run::compare(double loss) {
  const auto better_than = [&](const std::optional<double>& best) {
    return std::isfinite(loss) && (!best || loss < *best);
  };
  if (better_than(state_.best_loss)) {
    state_.best_loss = loss;
    state_.best_update = state_.update;
    // The last weights are there anyway, and a run that improves to its end never needs a copy.
    if (state_.update < state_.total_updates) candidates_.save_best(state_.update);
  }
  // The inherited weights may be out of reach for a while: the rate rises anew.
  if (better_than(state_.patience_loss)) {
    state_.patience_loss = loss;
    state_.bad_validations = 0;
  } else if (setup_.config.patience > 0 && ++state_.bad_validations >= setup_.config.patience) {
    stopped_early_ = true;
    log_info("train",
             str("no progress for ", state_.bad_validations, " validations: training stops early"));
  }
}

void Run::validate_and_keep() {
  std::vector<double> losses;
  const double loss = validate(&losses);
  std::string text;
  for (size_t i = 0; i < losses.size(); ++i) {
    text += str(i == 0 ? "" : ", ", setup_.watched[i].name, " ", fixed(losses[i], 3));
  }
  log_info("train", str("update ", with_commas(state_.update), ": validation loss ", text));
  add_to_average();
  // Until then networks other than the largest know nothing: nothing to compare.
  if (!in_first_phase()) compare(loss);
  refit();
  state_.next_validation = std::min(state_.update + validation_interval(), state_.total_updates);
}

void Run::save_checkpoint() {
  state_.cursor = batches_.cursor().to_string();
  TrainState saved = state_;
  saved.elapsed_ms = elapsed_ms();
  checkpoints_.save(saved, settings_, store_, adam_, candidates_.averages());
  last_checkpoint_ms_ = wall_ms();
}

void Run::save_checkpoint_if_due() {
  const int every = setup_.config.checkpoint_every;
  const bool due =
      every > 0 ? state_.update % every == 0 : wall_ms() - last_checkpoint_ms_ > kCheckpointMs;
  if (due) save_checkpoint();
}

TrainResult Run::execute() {
  begin();
  while (!finished() && !state_.finished) {
    const double begin_ms = wall_ms();
    const UpdateStats stats = one_update();
    ++session_updates_;
    record(stats, wall_ms() - begin_ms);
    if (!state_.schedule_is_final && time_plan_.ready(elapsed_ms())) decide_schedule();
    if (!forecast_done_ && state_.schedule_is_final && session_updates_ >= kUpdatesBeforeForecast) {
      forecast();
    }
    if (state_.update >= state_.next_validation || finished()) validate_and_keep();
    if (stop_requested()) {
      save_checkpoint();
      progress_.reset();
      fail(ErrorKind::kInterrupted,
           str("stopped after update ", with_commas(state_.update), "; its state is saved"),
           "The same command goes on from there.");
    }
    save_checkpoint_if_due();
  }
  if (!state_.finished) {
    state_.elapsed_ms = elapsed_ms();
    state_.finished = true;
    save_checkpoint();
  }
  progress_->finish();
  return choose_final();
}

// Last, averaged and best weights are compared on the same validation sentences.
TrainResult Run::choose_final() {
  TrainResult result;
  result.updates = state_.update;
  result.minutes = elapsed_ms() / 60'000;
  result.target_tokens = state_.target_tokens;
  result.stopped_early = state_.update < state_.total_updates;
  std::map<std::string, std::vector<double>> losses;
  result.kept = candidates_.choose(
      state_, [&](const std::string& name) { return validate(&losses[name], name); });
  result.losses = losses[result.kept];
  result.valid_loss = mean(result.losses);
  return result;
}

}  // namespace

TrainResult train(const TrainerSetup& setup) {
  HAT_DCHECK(!setup.watched.empty());
  Run run(setup);
  return run.execute();
}

}  // namespace hat::train
