#include "hat/config/workspace.h"

#include <algorithm>

#include "hat/base/clock.h"
#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/base/version.h"

namespace hat::config {
namespace {

/// Names become folders: one plain path component, nothing hidden.
void check_name(const std::string& name, const std::string& what) {
  const bool plain = !name.empty() && name.size() <= 128 && name.front() != '.' &&
                     name.find_first_of("/\\\n\r\t ") == std::string::npos;
  HAT_CHECK(plain, ErrorKind::kUsage, str(what, " '", name, "' cannot be a folder's name"),
            "Use letters, digits, '-', '_' and '.'.");
}

/// What hat finetune does as hat train-super did, unless finetune.train says otherwise. Length,
/// rate, dropout, strategy and what follows from them are its own.
constexpr const char* kFollowsTrain[] = {
    "batch_tokens", "accumulate", "schedule",        "adam_beta1", "adam_beta2",     "adam_epsilon",
    "weight_decay", "clip_norm",  "label_smoothing", "precision",  "valid_sentences"};

void let_finetune_follow_train(const Schema& schema, Provenance* provenance) {
  for (const char* key : kFollowsTrain) {
    const std::string to = str("finetune.train.", key);
    const auto from = provenance->find(str("train.", key));
    if (from == provenance->end() || provenance->count(to) != 0) continue;
    const std::string origin = str(from->second, ", train.", key);
    set_value(schema, to, value_text(*schema.find(from->first)), origin, provenance);
  }
}

int64_t search_number(const fs::path& path) {
  int64_t number = 0;
  return parse_int(path.filename().string(), &number) && number > 0 ? number : 0;
}

}  // namespace

Workspace Workspace::find(const fs::path& start, const std::vector<std::string>& assignments) {
  std::error_code error;
  HAT_CHECK(fs::is_directory(start, error), ErrorKind::kUsage,
            str(start.string(), ": no such folder"));
  fs::path folder = fs::canonical(start, error);
  while (!error) {
    if (fs::exists(folder / "hat.json", error)) return open(folder, assignments);
    if (folder == folder.root_path()) break;
    folder = folder.parent_path();
  }
  fail(ErrorKind::kUsage, str("no workspace here: no hat.json in ", start.string(), " or above it"),
       "Run 'hat init' in an empty folder first ('hat init --demo' needs no data), or name one "
       "with -C.");
}

Workspace Workspace::open(const fs::path& root, const std::vector<std::string>& assignments) {
  Workspace workspace;
  workspace.root_ = root;
  const fs::path path = root / "hat.json";
  const Json json = load_json(path);
  // The version first: a newer file may hold keys that this program cannot know.
  if (json.is_object() && json.contains("version") && json["version"].is_number_integer()) {
    const int64_t version_number = get_int(json, "version", path.string());
    HAT_CHECK(version_number <= kVersion, ErrorKind::kConfig,
              str(path.string(), ": workspace version ", version_number,
                  ", and this hat knows versions up to ", kVersion),
              "Use the hat that made it, or a newer one.");
  }
  const Schema schema = schema_of(workspace.config_);
  read_json(schema, json, path.string(), &workspace.provenance_);
  for (const std::string& assignment : assignments) {
    apply_assignment(schema, assignment, "--set", &workspace.provenance_);
  }
  let_finetune_follow_train(schema, &workspace.provenance_);
  return workspace;
}

void Workspace::set(std::string_view path, std::string_view value, const std::string& origin) {
  set_value(schema_of(config_), path, value, origin, &provenance_);
}

fs::path Workspace::resolve(const std::string& path) const {
  return path.empty() ? fs::path() : (root_ / path).lexically_normal();
}

fs::path Workspace::latest_search() const {
  fs::path best;
  int64_t best_number = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(searches_dir(), error)) {
    const int64_t number = search_number(entry.path());
    if (number > best_number && fs::exists(entry.path() / "result.json")) {
      best_number = number;
      best = entry.path();
    }
  }
  return best;
}

fs::path Workspace::new_search_dir() const {
  int64_t last = 0;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(searches_dir(), error)) {
    last = std::max(last, search_number(entry.path()));
  }
  const fs::path path = searches_dir() / std::to_string(last + 1);
  ensure_directory(path);
  return path;
}

fs::path Workspace::model_dir(const std::string& name) const {
  if (!name.empty()) {
    check_name(name, "model");
    return models_dir() / name;
  }
  const fs::path latest = models_dir() / "latest";
  if (!fs::exists(latest)) return {};
  const std::string target(trim(read_file(latest, 4096)));
  check_name(target, "model");
  return models_dir() / target;
}

void Workspace::set_latest_model(const std::string& name) const {
  check_name(name, "model");
  write_file_atomic(models_dir() / "latest", name + "\n");
}

OrderedJson environment_record(int64_t seed, int threads) {
  const CpuInfo& cpu = cpu_info();
  return {{"hat_version", version()},
          {"commit", build_commit()},
          {"build", build_description()},
          {"cpu", cpu.model},
          {"cpu_features", cpu.features()},
          {"cores", cpu.logical_cores},
          {"threads", threads},
          {"seed", seed},
          {"time", utc_timestamp()}};
}

void write_run_records(const fs::path& directory, const Workspace& workspace,
                       const std::string& command) {
  ensure_directory(directory);
  WorkspaceConfig config = workspace.config();
  OrderedJson resolved = to_json(schema_of(config));
  OrderedJson origins = OrderedJson::object();
  for (const auto& [path, origin] : workspace.provenance()) origins[path] = origin;
  resolved["_origins"] = std::move(origins);
  save_json(directory / "config.json", resolved);
  OrderedJson environment = environment_record(config.seed, config.threads);
  environment["command"] = command;
  save_json(directory / "env.json", environment);
}

}  // namespace hat::config
