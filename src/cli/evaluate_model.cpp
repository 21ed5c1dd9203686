#include "evaluate_model.h"

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/progress.h"
#include "hat/base/strings.h"
#include "hat/edge/text_translator.h"
#include "model_directory.h"
#include "text_options.h"

namespace hat::cli {
namespace {

using config::OrderedJson;

struct TestText {
  std::vector<std::string> source;
  std::vector<std::string> reference;
};

TestText read_test(const config::Workspace& workspace) {
  const config::TaskConfig& task = workspace.config().task;
  HAT_CHECK(task.kind == "translation", ErrorKind::kUsage,
            "this workspace classifies; there is no translation to evaluate");
  HAT_CHECK(!task.test.empty(), ErrorKind::kUsage, "the workspace has no test text",
            "Set task.test in hat.json, or score files with --hyp and --ref.");
  const std::string prefix = workspace.resolve(task.test).string();
  TestText test{read_text_lines(prefix + "." + task.source),
                read_text_lines(prefix + "." + task.target)};
  HAT_CHECK(!test.source.empty() && test.source.size() == test.reference.size(), ErrorKind::kData,
            str(prefix, ": ", test.source.size(), " source and ", test.reference.size(),
                " target lines"));
  return test;
}

std::vector<std::string> translate_all(edge::TextTranslator& translator,
                                       const std::vector<std::string>& source,
                                       const edge::TextOptions& options) {
  std::vector<std::string> translations;
  Progress progress("evaluate", source.size(), "sentences");
  size_t next = 0;
  translator.translate_stream(
      [&](bool) { return next < source.size() ? std::optional(source[next++]) : std::nullopt; },
      options,
      [&](const std::vector<edge::TextResult>& results) {
        translations.push_back(results.empty() ? "" : results.front().text);
        progress.update(translations.size());
      });
  return translations;
}

}  // namespace

void evaluate_model(const EvaluateModelOptions& options, const metrics::BleuOptions& bleu,
                    const metrics::ChrfOptions& chrf) {
  const config::Workspace workspace = options.workspace.open();
  const arch::Precision precision = arch::parse_precision(options.precision);
  const fs::path directory = require_model_directory(workspace, options.model);
  const TestText test = read_test(workspace);

  const StoredNetwork network(directory / "model.safetensors");
  edge::ModelSpec spec = network.spec(precision);
  add_tokenizers(workspace, spec);
  const auto model = edge::Model::from_bytes(edge::build_model(spec, network.tensors()),
                                             directory.filename().string());
  const int threads = WorkspaceFlags::threads(workspace);
  edge::TextTranslator translator(model, threads);
  const double begin = wall_ms();
  const std::vector<std::string> translations =
      translate_all(translator, test.source, text_options(workspace.config().decode));
  const double seconds = (wall_ms() - begin) / 1000;

  const TextScores scores = score_text(translations, {test.reference}, bleu, chrf);
  const std::string output =
      options.output.empty()
          ? (directory / str("test.", options.precision, ".", workspace.config().task.target))
                .string()
          : options.output;
  write_file_atomic(output, join(translations, "\n") + "\n");
  OrderedJson result = scores.json();
  result["model"] = directory.filename().string();
  result["model_id"] = model->id();
  result["architecture_id"] = arch::architecture_id(model->architecture());
  result["precision"] = options.precision;
  result["beam"] = workspace.config().decode.beam;
  result["length_penalty"] = workspace.config().decode.length_penalty;
  result["threads"] = threads;
  result["seconds"] = seconds;
  result["sentences_per_second"] = static_cast<double>(test.source.size()) / seconds;
  config::save_json(directory / str("evaluation.", options.precision, ".json"), result);
  if (options.json) {
    print_json(result);
    return;
  }
  print(str("model ", directory.filename().string(), "  ", options.precision, ", beam ",
            workspace.config().decode.beam, ", ", with_commas(test.source.size()), " sentences in ",
            format_duration_ms(1000 * seconds), "\n", scores.text(), "translations: ", output,
            "\nNext: hat export\n"));
}

}  // namespace hat::cli
