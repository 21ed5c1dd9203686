#include "run_records.h"

#include "hat/base/strings.h"
#include "hat/config/json.h"

namespace hat::train {

config::OrderedJson settings_of(const TrainerSetup& setup) {
  config::TrainConfig config = setup.config;
  config::OrderedJson settings = setup.identity;
  settings["seed"] = setup.seed;
  settings["strategy"] = setup.strategy.name();
  const config::OrderedJson options = config::to_json(config::schema_of(config));
  for (const auto& [key, value] : options.items()) {
    // How often state is saved changes nothing; a time limit is fitted once and kept in the state.
    if (key == "checkpoint_every" || key == "max_minutes" || key == "strategy") continue;
    settings[str("train.", key)] = value;
  }
  return settings;
}

void cut_metrics(const fs::path& path, int64_t update) {
  if (!fs::exists(path)) return;
  std::string kept;
  for (const std::string& line : split(read_file(path), '\n')) {
    if (line.empty()) continue;
    const config::Json row = config::Json::parse(line, nullptr, false);
    const bool belongs = row.is_object() && row.value("update", int64_t{0}) <= update;
    if (belongs && row.value("kind", "") != "final") kept += line + "\n";
  }
  write_file_atomic(path, kept);
}

}  // namespace hat::train
