#include "search_scoring.h"

#include <algorithm>

#include "hat/base/strings.h"
#include "hat/search/score_client.h"

namespace hat::cli {
namespace {

// Sentences on which the many are scored unless search.valid_sentences says otherwise.
constexpr int kSentences = 256;

std::unique_ptr<search::Objective> workers(const SearchSetup& setup) {
  const config::Workspace& workspace = setup.workspace;
  search::WorkerObjective::Options options;
  // One thread each: a loss must not depend on how many threads there are.
  options.argv = {program_directory() + "/hat",
                  "score-worker",
                  "-C",
                  workspace.root().string(),
                  "--threads",
                  "1",
                  "--set",
                  str("train.label_smoothing=", workspace.config().train.label_smoothing),
                  "--set",
                  str("search.precision=", setup.score_precision),
                  "--set",
                  str("search.objective=", workspace.config().search.objective)};
  const config::DecodeConfig& decode = workspace.config().decode;
  for (const std::string& setting :
       {str("decode.beam=", decode.beam), str("decode.length_penalty=", decode.length_penalty),
        str("decode.max_length=", decode.max_length),
        str("decode.min_length=", decode.min_length)}) {
    options.argv.insert(options.argv.end(), {"--set", setting});
  }
  options.workers = std::clamp(WorkspaceFlags::threads(workspace), 1, 64);
  return std::make_unique<search::WorkerObjective>(
      options, [&setup](const search::Genotype& genotype) { return setup.decode(genotype); });
}

}  // namespace

Scoring::Scoring(const SearchSetup& setup)
    : lock(setup.workspace.super_dir() / "search.lock"),
      store(setup.workspace.super_dir() / str("scores-", setup.score_id, ".jsonl"),
            [&setup](const search::Genotype& genotype) {
              return arch::to_json(setup.decode(genotype)).dump();
            }),
      objective(workers(setup)),
      evaluator(*objective, store) {}

search::Options search_options(const config::Workspace& workspace) {
  const config::SearchConfig& config = workspace.config().search;
  search::Options options;
  options.algorithm = config.algorithm;
  options.evaluations = config.evaluations;
  options.population = config.population;
  options.surrogate = config.surrogate;
  options.seed = static_cast<uint64_t>(workspace.config().seed);
  options.sentences = config.valid_sentences > 0 ? config.valid_sentences : kSentences;
  return options;
}

}  // namespace hat::cli
