#include <iostream>

#include "../torch_commands.h"
#include "../train_options.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"
#include "hat/model/compute.h"
#include "hat/train/scorer.h"
#include "hat/train/stages.h"

namespace hat::cli {
namespace {

// Longer lines are no requests.
constexpr size_t kLongestLine = 1 << 20;

config::OrderedJson answer(train::Scorer& scorer, const std::string& line) {
  config::OrderedJson reply;
  reply["id"] = nullptr;
  try {
    HAT_CHECK(line.size() <= kLongestLine, ErrorKind::kData, "the request is too long");
    const config::Json request = config::parse_json(line, "request");
    reply["id"] = config::get_int(request, "id", "request");
    const arch::Architecture architecture = arch::architecture_from_json(
        config::get_member(request, "architecture", "request"), "request");
    const int64_t sentences = config::get_int(request, "sentences", "request");
    HAT_CHECK(sentences >= 0, ErrorKind::kData, "request: 'sentences' is negative");
    const train::Score score = scorer.score(architecture, sentences);
    reply["loss"] = score.loss;
    reply["nll"] = score.nll;
    reply["tokens"] = score.tokens;
    reply["ms"] = score.ms;
  } catch (const Error& error) {  // the searcher decides what a bad candidate means
    reply["error"] = error.message();
  }
  return reply;
}

}  // namespace

void run_score_worker(const ScoreWorkerOptions& options) {
  const config::Workspace workspace = options.workspace.open();
  model::configure_process(WorkspaceFlags::threads(workspace));
  const train::TrainedSuper super = train::load_super(workspace);
  super.network->set_compute(model::resolve_compute(workspace.config().search.precision));
  const data::TokenDataset valid = train::open_pairs(workspace, "valid");
  train::Scorer scorer(*super.network, valid, workspace.config().train.label_smoothing);
  std::string line;
  while (std::getline(std::cin, line)) {
    if (!trim(line).empty()) print_line(answer(scorer, line).dump());
  }
}

}  // namespace hat::cli
