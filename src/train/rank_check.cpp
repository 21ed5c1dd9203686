#include "hat/train/rank_check.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "hat/train/schedule.h"
#include "hat/train/scorer.h"
#include "hat/train/stages.h"

namespace hat::train {
namespace {

constexpr int kResamples = 2000;
constexpr double kConfidence = 0.95;
constexpr int kDrawsForOneNetwork = 50;
constexpr int kPlotColumns = 56, kPlotRows = 16;

// Tau from which on a ranking is called good, and below which it is called of no use.
constexpr double kGoodTau = 0.8, kUselessTau = 0.4;

struct TrainedAlone {
  double loss = 0;
  double minutes = 0;
};

// Trains one network from random weights, or reads what an earlier call measured.
TrainedAlone train_alone(const config::Workspace& workspace, const TrainedSuper& super,
                         const arch::Architecture& architecture, const config::TrainConfig& config,
                         const data::TokenDataset& train_set, const ValidationSet& valid) {
  const std::string id = arch::architecture_id(architecture);
  const fs::path directory =
      workspace.super_dir() / "rank_check" / str(config.max_updates, "_updates") / id;
  const fs::path done = directory / "result.json";
  const uint64_t seed = static_cast<uint64_t>(workspace.config().seed);
  const std::string settings =
      str(seed, " ", super.space.id(), " ", train_set.fingerprint(), " ", valid.sentences(), " ",
          config.batch_tokens, " ", config.dropout, " ", config.learning_rate);
  if (fs::exists(done)) {
    const config::Json result = config::load_json(done);
    if (config::get_string(result, "settings", done.string()) == settings) {
      return {config::get_double(result, "loss", done.string()),
              config::get_double(result, "minutes", done.string())};
    }
  }
  model::Transformer network(model::sub_spec(super.network->spec(), architecture));
  network.initialize(seed);
  const FixedArchitecture strategy(architecture);
  TrainerSetup setup{.network = network,
                     .strategy = strategy,
                     .train = train_set,
                     .valid = valid,
                     .config = config,
                     .seed = seed,
                     .directory = directory,
                     .label = "rank-check",
                     .watched = {{"model", architecture}},
                     .teacher = {},
                     .largest = {},
                     .whole_tensors = false,
                     .identity = {{"architecture", id}, {"data", str(train_set.fingerprint())}},
                     .restart = false};
  const TrainResult result = train(setup);
  config::save_json(
      done, {{"settings", settings}, {"loss", result.valid_loss}, {"minutes", result.minutes}});
  std::error_code error;
  fs::remove_all(directory / "checkpoint", error);  // large, and no longer needed
  return {result.valid_loss, result.minutes};
}

// Both losses as a plot: a ranking that holds runs from the lower left to the upper right.
std::string scatter(const std::vector<RankedNetwork>& networks) {
  double low_x = HUGE_VAL, high_x = -HUGE_VAL, low_y = HUGE_VAL, high_y = -HUGE_VAL;
  for (const RankedNetwork& n : networks) {
    low_x = std::min(low_x, n.scratch_loss);
    high_x = std::max(high_x, n.scratch_loss);
    low_y = std::min(low_y, n.inherited_loss);
    high_y = std::max(high_y, n.inherited_loss);
  }
  const auto place = [](double value, double low, double high, int cells) {
    if (!(high > low)) return 0;
    return std::min(cells - 1, static_cast<int>((value - low) / (high - low) * cells));
  };
  std::vector<std::string> rows(kPlotRows, std::string(kPlotColumns, ' '));
  for (const RankedNetwork& n : networks) {
    char& cell = rows[kPlotRows - 1 - place(n.inherited_loss, low_y, high_y, kPlotRows)]
                     [place(n.scratch_loss, low_x, high_x, kPlotColumns)];
    cell = cell == ' ' ? 'o' : '8';
  }
  std::string text = str("inherited loss, ", fixed(low_y, 3), " to ", fixed(high_y, 3), "\n");
  for (const std::string& row : rows) text += "  |" + row + "\n";
  text += "  +" + std::string(kPlotColumns, '-') + "\n";
  return text + str("   loss from scratch, ", fixed(low_x, 3), " to ", fixed(high_x, 3), "\n");
}

}  // namespace

std::vector<arch::Architecture> stratified(const arch::SearchSpace& space, int count,
                                           uint64_t seed) {
  std::vector<arch::Architecture> chosen = {space.smallest()};
  std::set<std::string> seen = {arch::canonical_text(chosen[0]),
                                arch::canonical_text(space.largest())};
  const double low = cost_per_token(space.smallest());
  const double high = cost_per_token(space.largest());
  const UniformCost sampler(space, mix_seed(seed, hash64("rank-check")));
  int64_t draw = 0;
  for (int i = 1; i + 1 < count; ++i) {
    const double wanted = low + (high - low) * i / (count - 1);
    arch::Architecture best;
    double best_distance = HUGE_VAL;
    for (int k = 0; k < kDrawsForOneNetwork; ++k) {
      arch::Architecture candidate = sampler.draw(draw++, 0);
      const double distance = std::abs(cost_per_token(candidate) - wanted);
      if (distance < best_distance && !seen.contains(arch::canonical_text(candidate))) {
        best_distance = distance;
        best = std::move(candidate);
      }
    }
    if (best_distance == HUGE_VAL) break;  // the space holds no more
    seen.insert(arch::canonical_text(best));
    chosen.push_back(std::move(best));
  }
  if (count > 1 && space.largest() != space.smallest()) chosen.push_back(space.largest());
  return chosen;
}

RankCheck rank_check(const config::Workspace& workspace, const RankCheckOptions& options) {
  const TrainedSuper super = load_super(workspace);
  const data::TokenDataset train_set = open_pairs(workspace, "train");
  const data::TokenDataset valid_set = open_pairs(workspace, "valid");
  config::TrainConfig config = workspace.config().train;
  const ValidationSet valid(valid_set, config.valid_sentences, config.batch_tokens);
  const fs::path record = workspace.super_dir() / "result.json";
  config.max_minutes = 0;
  config.max_updates = options.updates;
  if (config.max_updates == 0) {
    HAT_CHECK(fs::exists(record), ErrorKind::kUsage,
              str(record.string(), " is missing, so the length of the training is not known"),
              "Run hat train-super to its end, or give --updates N.");
    config.max_updates =
        static_cast<int>(config::get_int(config::load_json(record), "updates", record.string()));
  }

  ensure_directory(workspace.super_dir() / "rank_check");
  const FileLock lock(workspace.super_dir() / "rank_check" / "lock");
  RankCheck check;
  check.updates = config.max_updates;
  const uint64_t seed = static_cast<uint64_t>(workspace.config().seed);
  const auto chosen = stratified(super.space, options.architectures, seed);
  HAT_CHECK(chosen.size() >= 3, ErrorKind::kUsage,
            str("a ranking of ", chosen.size(), " architectures says nothing"),
            "Use --architectures 8 or more, in a space that holds as many.");
  Scorer scorer(*super.network, valid_set, config.label_smoothing, config.batch_tokens);
  for (size_t i = 0; i < chosen.size(); ++i) {
    log_info("rank-check", str("network ", i + 1, " of ", chosen.size()));
    RankedNetwork network{chosen[i], cost_per_token(chosen[i]), 0, 0};
    network.inherited_loss = scorer.score(chosen[i], config.valid_sentences).loss;
    config::TrainConfig own = config;
    if (own.learning_rate == 0) {  // the best that is known for each width: a fair opponent
      own.learning_rate = default_learning_rate(
          {0, 0, std::max(chosen[i].encoder_embed_dim, chosen[i].decoder_embed_dim)});
    }
    const TrainedAlone alone = train_alone(workspace, super, chosen[i], own, train_set, valid);
    network.scratch_loss = alone.loss;
    check.minutes += alone.minutes;
    check.networks.push_back(std::move(network));
  }
  std::sort(check.networks.begin(), check.networks.end(),
            [](const RankedNetwork& a, const RankedNetwork& b) { return a.cost < b.cost; });
  std::vector<double> inherited, scratch, gaps;
  for (const RankedNetwork& n : check.networks) {
    inherited.push_back(n.inherited_loss);
    scratch.push_back(n.scratch_loss);
    gaps.push_back(n.inherited_loss - n.scratch_loss);
  }
  check.tau = metrics::kendall_tau(inherited, scratch);
  check.interval = metrics::kendall_tau_interval(inherited, scratch, kResamples, kConfidence, seed);
  check.mean_gap = mean(gaps);
  config::save_json(workspace.super_dir() / "rank_check.json", check.to_json());
  return check;
}

std::string RankCheck::verdict() const {
  if (interval.low >= kGoodTau) {
    return "The ranking holds: a search may trust scores of inherited weights.";
  }
  if (tau >= kGoodTau) {
    return "The ranking looks right, but so few networks do not prove it: check with more "
           "--architectures. A search may use it; finish two or three of its best, not one.";
  }
  if (tau >= kUselessTau) {
    return "The ranking is right in the large only: networks of nearly equal score may stand in "
           "the wrong order. Finish several of a search's best, or train the SuperTransformer "
           "longer.";
  }
  return "The ranking says little: do not trust a search on these weights. Train the "
         "SuperTransformer longer.";
}

std::string RankCheck::to_text() const {
  std::string text = "id                cost a token  inherited  from scratch\n";
  for (const RankedNetwork& n : networks) {
    std::string cost = format_count(n.cost);
    text += str(arch::architecture_id(n.architecture), "  ",
                std::string(12 - std::min<size_t>(12, cost.size()), ' '), cost, "     ",
                fixed(n.inherited_loss, 4), "        ", fixed(n.scratch_loss, 4), "\n");
  }
  text += "\n" + scatter(networks) + "\n";
  text += str("Kendall tau ", fixed(tau, 3), ", 95 % interval ", fixed(interval.low, 3), " to ",
              fixed(interval.high, 3), ", ", networks.size(), " networks\n");
  text += str("inherited weights are ", fixed(mean_gap, 3),
              " nats a token behind training from scratch on average\n");
  text += str("cost: ", with_commas(static_cast<uint64_t>(updates)), " updates each from scratch, ",
              format_duration_ms(minutes * 60'000), " in all\n");
  return text + verdict() + "\n";
}

config::OrderedJson RankCheck::to_json() const {
  config::OrderedJson list = config::OrderedJson::array();
  for (const RankedNetwork& n : networks) {
    list.push_back({{"id", arch::architecture_id(n.architecture)},
                    {"cost", n.cost},
                    {"inherited_loss", n.inherited_loss},
                    {"scratch_loss", n.scratch_loss},
                    {"architecture", arch::to_json(n.architecture)}});
  }
  return {{"tau", tau},           {"interval", {interval.low, interval.high}},
          {"mean_gap", mean_gap}, {"updates", updates},
          {"minutes", minutes},   {"verdict", verdict()},
          {"networks", list}};
}

}  // namespace hat::train
