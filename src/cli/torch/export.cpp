#include <algorithm>

#include "../export_options.h"
#include "../model_directory.h"
#include "../torch_commands.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/base/version.h"
#include "hat/data/token_dataset.h"
#include "hat/edge/model.h"
#include "hat/edge/translator.h"
#include "hat/export/parity.h"
#include "hat/export/shortlist.h"
#include "hat/model/compute.h"

namespace hat::cli {
namespace {

/// Sentences of the validation set, chosen by the seed.
std::vector<std::vector<int>> parity_sentences(const config::Workspace& workspace,
                                               const arch::Vocabulary& vocabulary) {
  const data::TokenDataset valid = data::TokenDataset::open(workspace.data_dir() / "valid");
  HAT_CHECK(valid.size() > 0, ErrorKind::kData, "data/valid has no sentences",
            "Run hat prepare again.");
  HAT_CHECK(valid.source_vocabulary() == vocabulary.source, ErrorKind::kData,
            str("the model has ", vocabulary.source, " source words, data/ has ",
                valid.source_vocabulary()),
            "data/ was prepared again after training; train again, or restore it.");
  std::vector<size_t> order(valid.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  Rng rng(static_cast<uint64_t>(workspace.config().seed), "export");
  rng.shuffle(order);
  order.resize(
      std::min(order.size(), static_cast<size_t>(workspace.config().exporting.parity_sentences)));
  std::vector<std::vector<int>> sentences;
  for (const size_t i : order) sentences.push_back(valid.source(i).to_vector());
  return sentences;
}

edge::Shortlist shortlist(const config::Workspace& workspace, const arch::Vocabulary& vocabulary) {
  const data::TokenDataset train = data::TokenDataset::open(workspace.data_dir() / "train");
  exporting::ShortlistOptions options;
  options.words = workspace.config().exporting.shortlist;
  options.seed = static_cast<uint64_t>(workspace.config().seed);
  log_info("export", str("learning a lexicon from ", with_commas(train.size()), " sentences"));
  return exporting::build_shortlist(
      {train.size(), [&](size_t i) { return train.source(i).to_vector(); },
       [&](size_t i) { return train.target(i).to_vector(); }},
      vocabulary, options);
}

/// Share of sentences whose translation stays the same with the shortlist.
double same_with_shortlist(const std::shared_ptr<const edge::Model>& model,
                           const std::vector<std::vector<int>>& sources,
                           const exporting::ParityOptions& parity) {
  edge::Translator translator(model, parity.threads);
  edge::TranslateOptions options;
  options.beam = parity.beam;
  options.length_penalty = parity.length_penalty;
  options.max_length_b = parity.max_length;
  int same = 0;
  for (const std::vector<int>& source : sources) {
    options.shortlist = true;
    const auto with = translator.translate(source, options);
    options.shortlist = false;
    const auto without = translator.translate(source, options);
    same += !with.empty() && !without.empty() && with[0].tokens == without[0].tokens ? 1 : 0;
  }
  return static_cast<double>(same) / static_cast<double>(sources.size());
}

exporting::ParityReport prove(model::Transformer& network,
                              const std::shared_ptr<const edge::Model>& file,
                              const std::vector<std::vector<int>>& sources,
                              const exporting::ParityOptions& options) {
  const exporting::ParityReport report = exporting::compare(network, file, sources, options);
  log_info("export",
           str(arch::precision_name(file->precision()), ": ", exporting::describe(report)));
  exporting::require_parity(report, file->precision());
  return report;
}

}  // namespace

void run_export(const ExportOptions& flags) {
  const config::Workspace workspace = flags.workspace.open();
  const config::WorkspaceConfig& settings = workspace.config();
  const int threads = WorkspaceFlags::threads(workspace);
  model::configure_process(threads);
  const fs::path directory = require_model_directory(workspace, flags.model);
  const fs::path weights = directory / "model.safetensors";
  const fs::path output = flags.output.empty() ? directory / "model.hat" : fs::path(flags.output);
  const arch::Precision precision = arch::parse_precision(settings.exporting.precision);

  const auto network = model::load_transformer(weights);
  const StoredNetwork stored(weights);
  edge::ModelSpec spec = stored.spec(arch::Precision::kFp32);
  const auto sources = parity_sentences(workspace, spec.vocabulary);
  exporting::ParityOptions options;
  options.beam = settings.decode.beam;
  options.length_penalty = settings.decode.length_penalty;
  options.max_length = settings.decode.max_length;
  options.threads = threads;

  // First that the runtime computes this network at all, exactly; then what quantisation costs.
  config::OrderedJson result;
  if (precision != arch::Precision::kFp32) {
    const auto exact = edge::Model::from_bytes(edge::build_model(spec, stored.tensors()), "fp32");
    result["parity_fp32"] = exporting::to_json(prove(*network, exact, sources, options));
  }
  spec.precision = precision;
  add_tokenizers(workspace, spec);
  if (settings.exporting.shortlist > 0) spec.shortlist = shortlist(workspace, spec.vocabulary);
  const config::OrderedJson provenance{{"program", str("hat ", version())},
                                       {"commit", build_commit()},
                                       {"model", directory.filename().string()},
                                       {"architecture", arch::architecture_id(spec.architecture)}};
  spec.provenance_json = provenance.dump();
  if (const fs::path config = directory / "config.json"; fs::exists(config))
    spec.config_json = read_file(config, 1 << 20);

  edge::ModelBytes bytes = edge::build_model(spec, stored.tensors());
  const std::span<const std::byte> content = bytes.bytes();  // stays where it is when moved
  const auto model = edge::Model::from_bytes(std::move(bytes), output.string());
  const exporting::ParityReport report = prove(*network, model, sources, options);
  result["parity"] = exporting::to_json(report);
  if (model->has_shortlist()) {
    const double same = same_with_shortlist(model, sources, options);
    result["same_with_shortlist"] = same;
    log_info("export", str("shortlist: ", fixed(100 * same, 1), " % of translations unchanged"));
  }
  write_file_atomic(output, {reinterpret_cast<const char*>(content.data()), content.size()});

  result["path"] = output.string();
  result["precision"] = arch::precision_name(precision);
  result["bytes"] = content.size();
  result["id"] = model->id();
  if (flags.json) return print_json(result);
  print_line(str(output.string(), ": ", format_bytes(static_cast<double>(content.size())), ", ",
                 arch::precision_name(precision), ", id ", model->id()));
  print_line("proof: " + exporting::describe(report));
  print_line("next: echo \"...\" | hat translate");
}

}  // namespace hat::cli
