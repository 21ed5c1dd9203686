#pragma once

#include <string>
#include <vector>

#include "hat/base/file.h"
#include "hat/config/json.h"
#include "hat/config/workspace_config.h"

namespace hat::config {

/// A folder with hat.json, and where each stage keeps its results in it.
class Workspace {
 public:
  static constexpr int kVersion = 1;

  /// Looks for hat.json in `start` and its parents, as git does. `assignments` are --set values.
  /// Throws kUsage when there is none, kConfig when it is wrong or of a newer version.
  static Workspace find(const fs::path& start, const std::vector<std::string>& assignments = {});
  static Workspace open(const fs::path& root, const std::vector<std::string>& assignments = {});

  const fs::path& root() const { return root_; }
  const WorkspaceConfig& config() const { return config_; }
  /// For flags, which come after files and --set: stores one value with its origin and checks it.
  void set(std::string_view path, std::string_view value, const std::string& origin);
  const Provenance& provenance() const { return provenance_; }
  /// A path of the config, relative to the root.
  fs::path resolve(const std::string& path) const;

  fs::path data_dir() const { return root_ / "data"; }
  fs::path super_dir() const { return root_ / "super"; }
  fs::path device_dir(const std::string& device) const { return root_ / "devices" / device; }
  fs::path searches_dir() const { return root_ / "searches"; }
  fs::path models_dir() const { return root_ / "models"; }
  /// searches/<n> with the largest n that holds a finished result (result.json), or empty.
  fs::path latest_search() const;
  /// Creates searches/<n> with the next free n.
  fs::path new_search_dir() const;
  /// models/<name>; with an empty name the one named by models/latest, or an empty path.
  fs::path model_dir(const std::string& name) const;
  /// Writes models/latest.
  void set_latest_model(const std::string& name) const;

 private:
  fs::path root_;
  WorkspaceConfig config_;
  Provenance provenance_;
};

/// Writes config.json (the resolved config with origins) and env.json (version, commit, compiler,
/// CPU and features, threads, seed, time, command) into a stage's folder.
void write_run_records(const fs::path& directory, const Workspace& workspace,
                       const std::string& command);
OrderedJson environment_record(int64_t seed, int threads);

/// metrics.jsonl of a stage: one JSON object a line.
class MetricsLog {
 public:
  explicit MetricsLog(const fs::path& path) : journal_(path) {}
  void write(const OrderedJson& record) { journal_.append(record.dump()); }

 private:
  LineJournal journal_;
};

}  // namespace hat::config
