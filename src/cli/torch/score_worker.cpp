#include <functional>
#include <iostream>
#include <memory>

#include "../model_directory.h"
#include "../torch_commands.h"
#include "../train_options.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"
#include "hat/model/compute.h"
#include "hat/text/piece_tokenizer.h"
#include "hat/train/scorer.h"
#include "hat/train/stages.h"
#include "hat/train/translation_scorer.h"

namespace hat::cli {
namespace {

// Longer lines are no requests.
constexpr size_t kLongestLine = 1 << 20;

/// Loss of an architecture on so many sentences; `reply` may be told more.
using ScoreFunction =
    std::function<double(const arch::Architecture&, int64_t, config::OrderedJson* reply)>;

ScoreFunction loss_of(std::shared_ptr<train::Scorer> scorer) {
  return [scorer](const arch::Architecture& architecture, int64_t sentences,
                  config::OrderedJson* reply) {
    const train::Score score = scorer->score(architecture, sentences);
    (*reply)["nll"] = score.nll;
    (*reply)["tokens"] = score.tokens;
    return score.loss;
  };
}

ScoreFunction translation_score_of(const config::Workspace& workspace, model::Transformer& network,
                                   const data::TokenDataset& valid) {
  const auto tokenizer = std::make_shared<text::PieceTokenizer>(
      text::PieceTokenizer::load(tokenizer_path(workspace, workspace.config().task.target)));
  const config::DecodeConfig& decode = workspace.config().decode;
  model::BeamOptions beam;
  beam.beam = decode.beam;
  beam.length_penalty = decode.length_penalty;
  beam.max_length = decode.max_length;
  beam.min_length = decode.min_length;
  const auto scorer = std::make_shared<train::TranslationScorer>(
      network, valid,
      workspace.config().search.objective == "bleu" ? train::TranslationMetric::kBleu
                                                    : train::TranslationMetric::kChrf,
      beam, [tokenizer](const std::vector<int>& pieces) { return tokenizer->decode(pieces); });
  return [scorer](const arch::Architecture& architecture, int64_t sentences, config::OrderedJson*) {
    return scorer->score(architecture, sentences);
  };
}

config::OrderedJson answer(const ScoreFunction& scorer, const std::string& line) {
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
    const double begin = wall_ms();
    reply["loss"] = scorer(architecture, sentences, &reply);
    reply["ms"] = wall_ms() - begin;
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
  const ScoreFunction scorer =
      workspace.config().search.objective == "loss"
          ? loss_of(std::make_shared<train::Scorer>(*super.network, valid,
                                                    workspace.config().train.label_smoothing))
          : translation_score_of(workspace, *super.network, valid);
  std::string line;
  while (std::getline(std::cin, line)) {
    if (!trim(line).empty()) print_line(answer(scorer, line).dump());
  }
}

}  // namespace hat::cli
