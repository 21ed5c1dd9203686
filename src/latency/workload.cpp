#include "hat/latency/workload.h"

#include <algorithm>
#include <cmath>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::latency {
namespace {

constexpr int kLongest = 1024;  // that an agent measures

int mean_length(const config::Json& data, const char* side, const std::string& origin) {
  const config::Json& splits = config::get_member(data, "splits", origin);
  const config::Json& train = config::get_member(splits, "train", origin);
  const double mean = config::get_double(config::get_member(train, side, origin), "mean", origin);
  HAT_CHECK(mean >= 1 && mean <= 1024, ErrorKind::kData,
            str(origin, ": the mean length of the ", side, " side is ", mean),
            "prepare the data again");
  return static_cast<int>(std::lround(mean));
}

std::vector<arch::SentenceLength> corpus_lengths(const config::Json& data,
                                                 const std::string& origin) {
  const config::Json& splits = config::get_member(data, "splits", origin);
  const config::Json& train = config::get_member(splits, "train", origin);
  HAT_CHECK(train.contains("length_groups"), ErrorKind::kData,
            str(origin, ": does not tell how the lengths are distributed"),
            "run 'hat prepare' again");
  std::vector<arch::SentenceLength> lengths =
      arch::sentence_lengths_from_json(train["length_groups"], origin);
  for (arch::SentenceLength& length : lengths) {
    length.source = std::min(length.source, kLongest);
    length.target = std::min(length.target, kLongest);
  }
  return lengths;
}

}  // namespace

arch::Workload workspace_workload(const config::Workspace& workspace, int vocabulary) {
  const config::LatencyConfig& config = workspace.config().latency;
  arch::Workload workload;
  workload.batch = config.batch;
  workload.beam = config.beam;
  workload.source_length = config.source_length;
  workload.target_length = config.target_length;
  workload.vocabulary = {vocabulary, vocabulary};
  const bool given = config.source_length > 0 && config.target_length > 0;
  if (vocabulary > 0 && given && config.lengths == "mean") return workload;
  const fs::path path = workspace.data_dir() / "data.json";
  HAT_CHECK(fs::exists(path), ErrorKind::kData,
            "the workspace has no prepared data, so vocabulary and sentence length are unknown",
            "run 'hat prepare' first, or give --vocabulary, --source-length and --target-length");
  const config::Json data = config::load_json(path);
  const std::string origin = path.string();
  if (vocabulary == 0) {
    const auto size = [&](const char* key) {
      const int64_t value = config::get_int(data, key, origin);
      HAT_CHECK(value >= 5 && value <= 1'000'000, ErrorKind::kData,
                str(origin, ": '", key, "' is ", value), "prepare the data again");
      return static_cast<int>(value);
    };
    workload.vocabulary = {size("source_vocabulary"), size("target_vocabulary")};
  }
  if (config.lengths == "corpus") {
    HAT_CHECK(config.source_length == 0 && config.target_length == 0, ErrorKind::kConfig,
              "latency.lengths is 'corpus', but a source or target length is given too",
              "leave latency.source_length and latency.target_length at 0, or set "
              "latency.lengths to mean");
    return arch::with_lengths(workload, corpus_lengths(data, origin));
  }
  if (workload.source_length == 0) workload.source_length = mean_length(data, "source", origin);
  if (workload.target_length == 0) workload.target_length = mean_length(data, "target", origin);
  return workload;
}

}  // namespace hat::latency
