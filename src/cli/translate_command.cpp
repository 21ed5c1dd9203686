#include <fcntl.h>
#include <unistd.h>

#include "commands.h"
#include "hat/base/error.h"
#include "hat/base/progress.h"
#include "hat/base/strings.h"
#include "hat/edge/text_translator.h"
#include "model_directory.h"

namespace hat::cli {
namespace {

struct Options {
  WorkspaceFlags workspace;
  std::string model;
  std::string input = "-";
  std::string output = "-";
  std::string prefix;
  int n_best = 1;
  int batch = 64;
  double memory_mb = 512;
  bool alignment = false;
  bool scores = false;
  bool no_shortlist = false;
};

struct Prepared {
  fs::path model;
  int threads = 1;
  edge::TextOptions text;
};

edge::TextOptions text_options(const config::DecodeConfig& decode, const Options& flags) {
  edge::TextOptions text;
  auto& options = text.translate;
  options.beam = decode.beam;
  options.n_best = flags.n_best;
  options.length_penalty = decode.length_penalty;
  options.min_length = decode.min_length;
  options.max_length_b = decode.max_length;
  options.max_length_ratio = decode.max_length_ratio;
  options.alignment = flags.alignment;
  options.shortlist = !flags.no_shortlist;
  text.prefix = flags.prefix;
  text.max_batch = flags.batch;
  text.batch_memory_mb = flags.memory_mb;
  text.window_lines = 4096;
  return text;
}

/// A model file needs no workspace; settings then are the defaults, with the flags.
Prepared prepare(const Options& flags) {
  Prepared prepared;
  config::WorkspaceConfig settings;
  if (flags.model.ends_with(".hat")) {
    settings = flags.workspace.settings();
    prepared.model = flags.model;
  } else {
    const auto workspace = flags.workspace.open();
    settings = workspace.config();
    prepared.model = require_model_directory(workspace, flags.model) / "model.hat";
    HAT_CHECK(fs::exists(prepared.model), ErrorKind::kUsage,
              str(prepared.model.string(), " does not exist"), "Run `hat export` first.");
  }
  prepared.threads = WorkspaceFlags::threads(settings);
  prepared.text = text_options(settings.decode, flags);
  return prepared;
}

std::string render(const std::vector<edge::TextResult>& results, size_t line, const Options& o) {
  std::string out;
  for (const auto& result : results) {
    if (o.n_best > 1) out += str(line, " ||| ");
    out += result.text;
    if (o.n_best > 1 || o.scores) out += str(" ||| ", fixed(result.score, 4));
    if (o.alignment) out += str(" ||| ", result.alignment);
    out += '\n';
  }
  return out;
}

int open_input(const std::string& path) {
  if (path == "-") return STDIN_FILENO;
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  HAT_CHECK(descriptor >= 0, ErrorKind::kIo, path + ": cannot be read", "Check the path.");
  return descriptor;
}

void run(const Options& flags) {
  const Prepared prepared = prepare(flags);
  edge::TextTranslator translator(edge::Model::load(prepared.model), prepared.threads);
  const int input = open_input(flags.input);
  edge::DescriptorLines lines(input);
  std::optional<AtomicFile> file;
  if (flags.output != "-") file.emplace(flags.output);
  // At a terminal the translations themselves show that something happens.
  std::optional<Progress> progress;
  if (!::isatty(STDIN_FILENO) || flags.input != "-") progress.emplace("translate", 0, "lines");
  size_t line = 0;
  translator.translate_stream([&](bool wait) { return lines.next(wait); }, prepared.text,
                              [&](const std::vector<edge::TextResult>& results) {
                                const std::string text = render(results, line++, flags);
                                if (file) {
                                  file->write(text);
                                } else {
                                  print(text);
                                }
                                if (progress)
                                  progress->update(line,
                                                   str(translator.target_tokens(), " tokens"));
                              });
  if (file) file->commit();
  if (progress) progress->finish(str(translator.target_tokens(), " tokens"));
  if (input != STDIN_FILENO) ::close(input);
}

void declare(CLI::App& app, const std::shared_ptr<Options>& o) {
  o->workspace.declare(app);
  o->workspace.bind(app, "--beam", "decode.beam");
  o->workspace.bind(app, "--length-penalty", "decode.length_penalty");
  o->workspace.bind(app, "--max-length", "decode.max_length");
  app.add_option("model,--model", o->model,
                 "A model file (*.hat), or the name of a model of the workspace [the latest]");
  app.add_option("--input", o->input, "Text to translate, a line a sentence; -: stdin [-]")
      ->type_name("FILE");
  app.add_option("--output", o->output, "Where translations go; -: stdout [-]")->type_name("FILE");
  app.add_option("--n-best", o->n_best, "Translations printed for each line [1]")
      ->check(CLI::Range(1, 64));
  app.add_option("--prefix", o->prefix, "Text that every translation starts with")
      ->type_name("TEXT");
  app.add_flag("--alignment", o->alignment, "Append word alignments in Moses format");
  app.add_flag("--scores", o->scores, "Append scores");
  app.add_flag("--no-shortlist", o->no_shortlist,
               "Consider all words although the model has a shortlist");
  app.add_option("--batch", o->batch, "Sentences translated together at most [64]")
      ->check(CLI::Range(1, 4096));
  app.add_option("--memory-mb", o->memory_mb, "Memory for the caches of a batch [512]")
      ->check(CLI::Range(1.0, 1e6));
}

}  // namespace

Command translate_command() {
  auto options = std::make_shared<Options>();
  return {"translate",
          kUseGroup,
          "Translate text with an exported model",
          "One output line an input line, in order. Lines are sorted by length and batched; blank "
          "lines stay\n"
          "blank, bytes that are not UTF-8 count as unknown characters, very long lines are "
          "translated in\n"
          "pieces. With --n-best each line gives lines 'number ||| translation ||| score'; "
          "--scores and\n"
          "--alignment append ' ||| score' and ' ||| 0-0 1-2'.\n\n"
          "Examples:\n"
          "  echo \"Guten Morgen.\" | hat translate\n"
          "  hat translate --input news.de --output news.en --threads 2\n"
          "  hat translate models/small/model.hat --n-best 5 < news.de\n",
          [options](CLI::App& app) { declare(app, options); },
          [options] { run(*options); }};
}

}  // namespace hat::cli
