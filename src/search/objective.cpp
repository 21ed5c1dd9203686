#include "hat/search/objective.h"

#include <cmath>
#include <fstream>

#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"

namespace hat::search {
namespace {

std::string store_key(const std::string& key, int sentences) { return str(key, '@', sentences); }

}  // namespace

void FunctionObjective::score(std::span<const Candidate> batch, int /*sentences*/,
                              const ScoreSink& sink) {
  for (size_t i = 0; i < batch.size(); ++i) sink(i, loss_(batch[i].genotype));
}

ScoreStore::ScoreStore(const fs::path& path, std::function<std::string(const Genotype&)> describe)
    : journal_(std::make_unique<LineJournal>(path)), describe_(std::move(describe)) {
  std::ifstream in(path);
  std::string line;
  size_t damaged = 0;
  while (std::getline(in, line)) {
    const config::Json row = config::Json::parse(line, nullptr, /*allow_exceptions=*/false);
    if (!row.is_object() || !row.contains("id") || !row["id"].is_string() ||
        !row.contains("sentences") || !row["sentences"].is_number_integer() ||
        !row.contains("loss") || !row["loss"].is_number()) {
      ++damaged;
      continue;
    }
    losses_[store_key(row["id"], row["sentences"])] = row["loss"];
  }
  if (damaged > 0) {
    log_warning("search", str(path.string(), ": ", damaged, " damaged lines are left out"));
  }
}

const double* ScoreStore::find(const std::string& key, int sentences) const {
  const auto found = losses_.find(store_key(key, sentences));
  return found == losses_.end() ? nullptr : &found->second;
}

void ScoreStore::add(const Candidate& candidate, int sentences, double loss) {
  losses_[store_key(candidate.key, sentences)] = loss;
  if (!journal_) return;
  config::OrderedJson row;
  row["id"] = candidate.key;
  row["sentences"] = sentences;
  row["loss"] = loss;
  if (describe_) row["architecture"] = config::OrderedJson::parse(describe_(candidate.genotype));
  journal_->append(row.dump());
}

void Evaluator::score(std::span<Candidate> batch, int sentences) {
  std::vector<Candidate> missing;
  std::set<std::string> waiting;
  for (const Candidate& candidate : batch) {
    asked_.emplace(candidate.key, sentences);
    if (!store_.find(candidate.key, sentences) && waiting.insert(candidate.key).second) {
      missing.push_back(candidate);
    }
  }
  if (!missing.empty()) {
    objective_.score(missing, sentences, [&](size_t index, double loss) {
      HAT_CHECK(std::isfinite(loss), ErrorKind::kData,
                str("The loss of architecture ", missing[index].key, " is ", loss),
                "The SuperTransformer's weights are damaged or its training diverged; train it "
                "again with 'hat train-super'.");
      store_.add(missing[index], sentences, loss);
      ++computed_;
      if (on_score) on_score();
    });
  }
  for (Candidate& candidate : batch) {
    const double* loss = store_.find(candidate.key, sentences);
    HAT_DCHECK(loss != nullptr);
    candidate.loss = *loss;
  }
}

}  // namespace hat::search
