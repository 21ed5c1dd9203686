#include "search_setup.h"

#include <algorithm>
#include <cmath>

#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "hat/base/units.h"
#include "hat/latency/latency_set.h"
#include "hat/latency/workload.h"
#include "hat/tensor/safetensors.h"
#include "search_measure.h"

namespace hat::cli {
namespace {

/// A name for a file's content: its size and 256 blocks spread over it. Training changes all
/// weights, so that this tells files apart without reading gigabytes.
uint64_t fingerprint(const fs::path& path) {
  constexpr size_t kBlocks = 256;
  constexpr size_t kBlock = 4096;
  const MappedFile file(path);
  uint64_t hash = mix_seed(1, file.size());
  const auto* text = reinterpret_cast<const char*>(file.data());
  for (size_t i = 0; i < kBlocks && file.size() > 0; ++i) {
    const size_t begin = file.size() * i / kBlocks;
    const size_t length = std::min({kBlock, file.size() - begin, file.size() / kBlocks + 1});
    hash = mix_seed(hash, hash64({text + begin, length}));
  }
  return hash;
}

std::string hex(uint64_t value) {
  std::string text;
  for (int shift = 60; shift >= 0; shift -= 4) text += "0123456789abcdef"[(value >> shift) & 15];
  return text;
}

double positive(double value, const std::string& flag, const std::string& text) {
  HAT_CHECK(value > 0, ErrorKind::kUsage, str(flag, " ", text, ": a budget is more than nothing"),
            "Run without a budget and with --pareto to see what is possible.");
  return value;
}

/// Rounded up to four digits, so that asking for the number printed is possible.
double rounded_up(double value) {
  if (value <= 0) return value;
  const double unit = std::pow(10.0, std::floor(std::log10(value)) - 3);
  return std::ceil(value / unit - 1e-9) * unit;
}

std::string short_number(double value) {
  std::ostringstream out;
  out.precision(4);
  if (value >= 1000 || value < 1e-3) {
    out.precision(12);
  }
  out << value;
  return out.str();
}

config::Json metadata(const tensor::SafetensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  HAT_CHECK(found != file.metadata().end(), ErrorKind::kData,
            str(file.path().string(), ": no '", key, "' in its metadata"),
            "It is not a SuperTransformer of hat; run 'hat train-super'.");
  return config::parse_json(found->second, file.path().string());
}

/// Joules a sentence, fitted to what the device's latency set tells of energy.
std::shared_ptr<const latency::Predictor> energy_predictor(const config::Workspace& workspace,
                                                           const std::string& device) {
  const fs::path path = workspace.device_dir(device) / "latency.jsonl";
  const std::string hint =
      "Energy is read where the processor has a counter (Intel RAPL, readable by you) while 'hat "
      "measure-latency' runs; search with --latency or --flops instead.";
  HAT_CHECK(
      fs::exists(path), ErrorKind::kUsage,
      str("--energy: device '", device, "' has no measurements: ", path.string(), " is missing"),
      hint);
  latency::LatencySet set = latency::read_journal(path);
  std::vector<int> rows;
  for (size_t i = 0; i < set.rows.size(); ++i) {
    if (set.rows[i].energy_j <= 0) continue;
    set.rows[i].total_ms = set.rows[i].energy_j;
    rows.push_back(static_cast<int>(i));
  }
  HAT_CHECK(rows.size() >= 8, ErrorKind::kUsage,
            str("--energy: ", rows.size(), " of ", set.rows.size(), " rows in ", path.string(),
                " tell the energy they took; 8 are the least"),
            hint);
  return std::make_shared<latency::Predictor>(latency::train_predictor(set, rows, {}, device));
}

}  // namespace

double memory_bytes(const arch::Architecture& architecture, const arch::ModelOptions& options,
                    const arch::Workload& workload, arch::Precision precision) {
  const double rows = static_cast<double>(workload.batch) * workload.beam;
  double floats = rows * workload.vocabulary.target;
  for (const arch::DecoderLayer& layer : architecture.decoder) {
    floats += 2.0 * rows * workload.target_length * layer.self_qkv_dim;
    floats +=
        2.0 * workload.batch * workload.source_length * layer.cross_span * layer.cross_qkv_dim;
  }
  floats += static_cast<double>(workload.batch) * workload.source_length *
            architecture.encoder_embed_dim * static_cast<double>(architecture.encoder.size() + 1);
  return arch::model_bytes(architecture, options, workload.vocabulary, precision) + 4 * floats;
}

SearchSetup::SearchSetup(const SearchFlags& flags)
    : workspace(flags.workspace.open()),
      space(arch::SearchSpace::named(workspace.config().space, workspace.root())),
      genotypes(space) {
  HAT_CHECK(
      flags.pareto || flags.check_budgets > 0 || !flags.latency.empty() || !flags.params.empty() ||
          !flags.size.empty() || !flags.memory.empty() || !flags.flops.empty() ||
          !flags.energy.empty(),
      ErrorKind::kUsage, "nothing limits the search",
      "Give a budget (--latency 200ms, --params 20M, --size 30MB, --memory 100MB, --flops 2G, "
      "--energy 0.5J) "
      "or ask for the whole front with --pareto.");
  find_super();
  by_bound = flags.no_measure;
  find_devices(flags);
  add_costs(flags);
  add_goals(flags);
  check_budgets();
}

void SearchSetup::find_super() {
  const fs::path weights = workspace.super_dir() / "super.safetensors";
  HAT_CHECK(fs::exists(weights), ErrorKind::kUsage,
            str("no trained SuperTransformer: ", weights.string(), " is missing"),
            "Run 'hat train-super' first; the search scores architectures with its weights.");
  const fs::path space_file = workspace.super_dir() / "space.json";
  HAT_CHECK(fs::exists(space_file), ErrorKind::kData,
            str(space_file.string(), " is missing, so the SuperTransformer's space is unknown"),
            "Run 'hat train-super --restart'.");
  const arch::SearchSpace trained = arch::SearchSpace::load(space_file);
  HAT_CHECK(trained.id() == space.id(), ErrorKind::kConfig,
            str("the SuperTransformer in super/ was trained in space '", trained.name(), "' (",
                trained.id(), "), the workspace now has '", space.name(), "' (", space.id(), ")"),
            str("Run 'hat train-super --restart' for the new space, or search with --set space=",
                trained.name(), "."));
  const tensor::SafetensorsFile file(weights);
  const arch::Architecture capacities =
      arch::architecture_from_json(metadata(file, "architecture"), weights.string());
  HAT_CHECK(
      capacities == space.super(), ErrorKind::kData,
      str(weights.string(), " holds a network of other sizes than space '", space.name(), "'"),
      "It is a foreign file; run 'hat train-super --restart'.");
  workload = latency::workspace_workload(workspace);
  const config::Json vocabulary = metadata(file, "vocabulary");
  const int64_t source = config::get_int(vocabulary, "source", weights.string());
  const int64_t target = config::get_int(vocabulary, "target", weights.string());
  HAT_CHECK(source == workload.vocabulary.source && target == workload.vocabulary.target,
            ErrorKind::kData,
            str(weights.string(), " has a vocabulary of ", source, " and ", target,
                " pieces, the prepared data ", workload.vocabulary.source, " and ",
                workload.vocabulary.target),
            "The data was prepared anew after training; run 'hat train-super --restart'.");
  const fs::path valid = workspace.data_dir() / "valid.bin";
  HAT_CHECK(fs::exists(valid), ErrorKind::kData, str(valid.string(), " is missing"),
            "Run 'hat prepare' first.");
  const config::SearchConfig& search = workspace.config().search;
  score_precision = search.precision;
  if (score_precision == "auto") score_precision = cpu_info().computes_bf16() ? "bf16" : "fp32";
  std::string objective =
      str(search.objective, " ", workspace.config().train.label_smoothing, " ", score_precision);
  loss_name = search.objective == "bleu"   ? "100-BLEU"
              : search.objective == "chrf" ? "100-chrF2"
                                           : "loss";
  if (search.objective != "loss") {
    const config::DecodeConfig& decode = workspace.config().decode;
    objective += str(" ", decode.beam, " ", decode.length_penalty, " ", decode.max_length, " ",
                     decode.min_length);
  }
  score_id = hex(mix_seed(mix_seed(fingerprint(weights), fingerprint(valid)), hash64(objective)));
}

void SearchSetup::find_devices(const SearchFlags& flags) {
  std::vector<std::string> names = flags.devices;
  if (names.empty()) names.push_back(workspace.config().latency.device);
  const bool needed = !flags.latency.empty() || !flags.devices.empty() || !flags.energy.empty() ||
                      flags.check_budgets > 0;
  for (const std::string& name : names) {
    HAT_CHECK(std::count(names.begin(), names.end(), name) == 1, ErrorKind::kUsage,
              str("device '", name, "' is given twice"), "Name each device once.");
    const fs::path path = workspace.device_dir(name) / "predictor.json";
    if (!needed && !fs::exists(path)) continue;
    latency::Device device = latency::find_device(name, workspace.root());
    HAT_CHECK(fs::exists(path), ErrorKind::kUsage,
              str("no predictor for device '", name, "': ", path.string(), " is missing"),
              str("Run 'hat measure-latency --device ", name, "' first."));
    SearchDevice found{std::move(device), latency::Predictor::load(path), 0, nullptr, -1};
    try {
      found.predictor.require(space.id(), workload, found.device.precision);
    } catch (const Error& error) {
      if (needed) throw;
      log_warning("search", str("latency is left out: ", error.message()));
      continue;
    }
    devices.push_back(std::move(found));
  }
  precision = arch::parse_precision(devices.empty() ? workspace.config().exporting.precision
                                                    : devices[0].device.precision);
  if (flags.latency.empty() && flags.check_budgets == 0) by_bound = true;
  for (const SearchDevice& found : devices) {
    std::string why;
    if (by_bound || can_measure(workspace, found.device, &why)) continue;
    log_warning("search", str("device '", found.device.name, "' cannot measure now (", why,
                              "): the budget is kept by the predictor's bound, which ",
                              fixed(100 * confidence(), 0), " % of networks stay below"));
    by_bound = true;
  }
}

void SearchSetup::add_cost(const std::string& name, const std::string& unit,
                           std::function<double(const arch::Architecture&)> value) {
  models.push_back({name, unit, value, value});
}

void SearchSetup::add_costs(const SearchFlags& flags) {
  for (size_t i = 0; i < devices.size(); ++i) {
    devices[i].cost = static_cast<int>(models.size());
    const std::string& name = devices[i].device.name;
    models.push_back(
        {devices.size() > 1 ? "latency:" + name : "latency", "ms",
         [this, i](const arch::Architecture& a) { return devices[i].predictor.predict_ms(a); },
         [this, i](const arch::Architecture& a) {
           return devices[i].predictor.upper_bound_ms(a, confidence());
         }});
  }
  for (size_t i = 0; i < devices.size() && !flags.energy.empty(); ++i) {
    const std::string& name = devices[i].device.name;
    devices[i].energy = energy_predictor(workspace, name);
    devices[i].energy_cost = static_cast<int>(models.size());
    models.push_back(
        {devices.size() > 1 ? "energy:" + name : "energy", "J",
         [this, i](const arch::Architecture& a) { return devices[i].energy->predict_ms(a); },
         [this, i](const arch::Architecture& a) {
           return devices[i].energy->upper_bound_ms(a, confidence());
         }});
  }
  add_cost("params", "parameters", [this](const arch::Architecture& a) {
    return static_cast<double>(arch::parameters(a, space.options(), workload.vocabulary));
  });
  if (!flags.size.empty()) {
    add_cost("size", "bytes", [this](const arch::Architecture& a) {
      return arch::model_bytes(a, space.options(), workload.vocabulary, precision);
    });
  }
  if (!flags.memory.empty()) {
    add_cost("memory", "bytes", [this](const arch::Architecture& a) {
      return memory_bytes(a, space.options(), workload, precision);
    });
  }
  if (!flags.flops.empty()) {
    add_cost("flops", "FLOPs",
             [this](const arch::Architecture& a) { return arch::flops_decoding(a, workload); });
  }
  problem.space = &genotypes;
  for (size_t i = 0; i < models.size(); ++i) {
    // Energy is never measured at the end.
    const bool bound = models[i].unit == "J" || (by_bound && models[i].unit == "ms");
    problem.costs.push_back(
        {models[i].name, models[i].unit, [this, i, bound](const search::Genotype& genotype) {
           const arch::Architecture a = space.decode(genotype);
           return bound ? models[i].upper_bound(a) : models[i].predict(a);
         }});
  }
}

double SearchSetup::latency_budget_ms(const std::string& text, const SearchDevice& device) const {
  if (!text.ends_with('%')) return positive(parse_duration_ms(text), "--latency", text);
  double percent = 0;
  const bool number =
      parse_double(trim(std::string_view(text).substr(0, text.size() - 1)), &percent);
  HAT_CHECK(number && percent > 0 && percent <= 100, ErrorKind::kUsage,
            str("--latency ", text, ": must be more than 0 and at most 100 percent"),
            "It is a share of what the largest network takes on the device.");
  return percent / 100 * device.predictor.predict_ms(space.largest());
}

void SearchSetup::add_goals(const SearchFlags& flags) {
  const auto cost_named = [&](const std::string& name) {
    for (size_t i = 0; i < models.size(); ++i) {
      if (models[i].name == name) return static_cast<int>(i);
    }
    return -1;
  };
  std::vector<search::Limit> common;
  const auto limit = [&](const char* name, const std::string& text,
                         double (*parse)(std::string_view)) {
    if (text.empty()) return;
    common.push_back({cost_named(name), positive(parse(text), str("--", name), text)});
  };
  limit("params", flags.params, parse_count);
  limit("size", flags.size, parse_bytes);
  limit("memory", flags.memory, parse_bytes);
  limit("flops", flags.flops, parse_count);

  std::vector<double> latency_ms(devices.size(), 0.0);
  for (const std::string& text : flags.latency) {
    const size_t equals = text.find('=');
    const std::string name = equals == std::string::npos ? "" : text.substr(0, equals);
    const std::string value = equals == std::string::npos ? text : text.substr(equals + 1);
    bool found = false;
    for (size_t i = 0; i < devices.size(); ++i) {
      if (!name.empty() && devices[i].device.name != name) continue;
      const double ms = latency_budget_ms(value, devices[i]);
      HAT_CHECK(latency_ms[i] == 0, ErrorKind::kUsage,
                str("two latency budgets for device '", devices[i].device.name,
                    "': ", format_duration_ms(latency_ms[i]), " and ", format_duration_ms(ms)),
                "Give one for each device: --latency NAME=200ms.");
      latency_ms[i] = ms;
      found = true;
    }
    HAT_CHECK(found, ErrorKind::kUsage,
              str("--latency ", text, ": '", name, "' is not searched for"),
              str("Add --device ", name, "."));
  }
  if (devices.empty()) {
    search::Goal goal{"", common, {}};
    if (flags.pareto) goal.front = {cost_named("params")};
    problem.goals.push_back(goal);
    goal_device.push_back(-1);
  }
  for (size_t i = 0; i < devices.size(); ++i) {
    search::Goal goal{devices[i].device.name, common, {}};
    if (latency_ms[i] > 0) {
      goal.limits.insert(goal.limits.begin(), search::Limit{devices[i].cost, latency_ms[i]});
    }
    if (!flags.energy.empty()) {
      const double joules = positive(parse_energy_j(flags.energy), "--energy", flags.energy);
      goal.limits.push_back({devices[i].energy_cost, joules});
    }
    if (flags.pareto) goal.front = {devices[i].cost};
    problem.goals.push_back(goal);
    goal_device.push_back(static_cast<int>(i));
  }
}

std::string SearchSetup::format(const search::Cost& cost, double value) {
  const double up = rounded_up(value);
  if (cost.unit == "ms") {
    return up >= 10'000 ? short_number(up / 1000) + "s"
           : up < 0.1   ? short_number(up * 1000) + "us"
                        : short_number(up) + "ms";
  }
  if (cost.unit == "J") return up < 1 ? short_number(up * 1000) + "mJ" : short_number(up) + "J";
  const std::string tail = cost.unit == "bytes" ? "B" : "";
  if (up >= 1e9) return short_number(up / 1e9) + "G" + tail;
  if (up >= 1e6) return short_number(up / 1e6) + "M" + tail;
  if (up >= 1e3) return short_number(up / 1e3) + (tail.empty() ? "k" : "KB");
  return short_number(up) + tail;
}

void SearchSetup::check_budgets() {
  for (const search::Cost& cost : problem.costs) {
    reaches.push_back(search::reach_of(genotypes, cost));
  }
  search::CostTable table(problem);
  for (const search::Goal& goal : problem.goals) {
    anchors.push_back(search::feasible_anchor(
        table, goal, reaches,
        [this](const search::Genotype& genotype) { return arch::draw(decode(genotype)); }, format));
    for (const search::Limit& limit : goal.limits) {
      const search::Cost& cost = problem.costs[limit.cost];
      if (limit.at_most < reaches[limit.cost].largest) continue;
      log_info("search",
               str("every architecture keeps ", cost.name, " of ", format(cost, limit.at_most),
                   ": the largest possible is ", format(cost, reaches[limit.cost].largest)));
    }
  }
}

}  // namespace hat::cli
