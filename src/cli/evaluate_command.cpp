#include <optional>

#include "commands.h"
#include "evaluate_model.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "score_text.h"

namespace hat::cli {
namespace {

struct Options {
  EvaluateModelOptions model;
  std::string hypotheses;
  std::vector<std::string> references;
  metrics::BleuOptions bleu;
  std::optional<double> smooth_value;
  bool lowercase = false;
  bool chrf_words = false;
};

/// Lines of each file, all equally many.
void check_lines(const Options& o, const std::vector<std::string>& hypotheses,
                 const std::vector<std::vector<std::string>>& references) {
  HAT_CHECK(!hypotheses.empty(), ErrorKind::kData, str(o.hypotheses, ": the file is empty"),
            "Give one translation a line.");
  for (size_t i = 0; i < references.size(); ++i) {
    HAT_CHECK(references[i].size() == hypotheses.size(), ErrorKind::kData,
              str(o.hypotheses, " has ", with_commas(hypotheses.size()), " lines, ",
                  o.references[i], " has ", with_commas(references[i].size())),
              "Line i of the reference must belong to line i of the translations.");
  }
}

void run(const Options& o) {
  metrics::BleuOptions bleu = o.bleu;
  bleu.lowercase = o.lowercase;
  bleu.smooth_value = o.smooth_value;
  metrics::ChrfOptions chrf;
  chrf.lowercase = o.lowercase;
  chrf.word_order = o.chrf_words ? 2 : 0;
  if (o.hypotheses.empty() && o.references.empty()) {
    evaluate_model(o.model, bleu, chrf);
    return;
  }
  HAT_CHECK(!o.hypotheses.empty() && !o.references.empty(), ErrorKind::kUsage,
            "--hyp and --ref go together",
            "For example: hat evaluate --hyp output.en --ref reference.en");
  const std::vector<std::string> hypotheses = read_text_lines(o.hypotheses);
  std::vector<std::vector<std::string>> references;
  for (const std::string& path : o.references) references.push_back(read_text_lines(path));
  check_lines(o, hypotheses, references);
  const TextScores scores = score_text(hypotheses, references, bleu, chrf);
  if (o.model.json) {
    print_json(scores.json());
  } else {
    print(scores.text());
  }
}

}  // namespace

Command evaluate_command() {
  auto options = std::make_shared<Options>();
  return {"evaluate",
          kUseGroup,
          "BLEU and chrF of translations",
          "In a workspace, translates the test text with the model that was finetuned last, "
          "through the\n"
          "device's runtime, and scores it; translations and scores are kept beside the model. "
          "With --hyp\n"
          "and --ref scores any text files. Numbers and signatures are those of sacreBLEU 2.6.\n\n"
          "Examples:\n"
          "  hat evaluate\n"
          "  hat evaluate --precision int8 --beam 1\n"
          "  hat evaluate --hyp output.en --ref test.en\n"
          "  hat translate < test.de | hat evaluate --hyp - --ref test.en --json\n"
          "  hat evaluate --hyp output.en --ref a.en --ref b.en --tokenize intl --lowercase\n",
          [options](CLI::App& app) {
            options->model.workspace.declare(app);
            options->model.workspace.bind(app, "--beam", "decode.beam");
            options->model.workspace.bind(app, "--length-penalty", "decode.length_penalty");
            app.add_option("--model", options->model.model, "Model under models/ [the latest]")
                ->type_name("NAME");
            app.add_option("--precision", options->model.precision,
                           "Weights while translating: fp32, int8 or int4 [fp32]")
                ->type_name("NAME");
            app.add_option("--output", options->model.output,
                           "Where the translations go [models/NAME/test.PRECISION.LANGUAGE]")
                ->type_name("FILE");
            app.add_option("--hyp", options->hypotheses, "Translations, one a line; - is stdin")
                ->type_name("FILE");
            app.add_option("--ref", options->references, "Reference; may be given several times")
                ->type_name("FILE");
            app.add_option("--tokenize", options->bleu.tokenize,
                           "BLEU's words: 13a, intl, char or none [13a]")
                ->check(CLI::IsMember({"13a", "intl", "char", "none"}))
                ->type_name("NAME");
            app.add_flag("--lowercase", options->lowercase, "Ignore case");
            app.add_option("--smooth-method", options->bleu.smooth_method,
                           "BLEU's smoothing: exp, floor, add-k or none [exp]")
                ->check(CLI::IsMember({"exp", "floor", "add-k", "none"}))
                ->type_name("NAME");
            app.add_option("--smooth-value", options->smooth_value, "For floor [0.1] and add-k [1]")
                ->type_name("X");
            app.add_flag("--chrf-words", options->chrf_words, "chrF++: words count too");
            app.add_flag("--json", options->model.json, "Print JSON");
          },
          [options] { run(*options); }};
}

}  // namespace hat::cli
