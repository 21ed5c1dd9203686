#include <unistd.h>

#include <cstdint>

#include "arguments.h"
#include "commands.h"
#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/edge/text_translator.h"

namespace hat::run {
namespace {

struct Options {
  std::string model;
  int threads = cpu_info().logical_cores;
  bool no_shortlist = false;
  bool scores = false;
  bool ids = false;
  edge::TextOptions text;
};

constexpr const char* kSummary =
    "Translates lines from stdin to stdout, one output line an input line, in order. Blank lines "
    "stay blank; bytes that\nare not UTF-8 count as unknown characters; lines above "
    "--segment-tokens tokens are translated piece by piece; of a\nline above 1 MiB the rest is "
    "dropped. Ends with code 3 when nobody reads the output.\n"
    "With --n-best N, each line gives N lines 'line number ||| translation ||| score'; --scores "
    "and --alignment append\n' ||| score' and ' ||| 0-0 1-2'.\n"
    "Example: echo 'Guten Morgen.' | hat-run translate model.hat";

void declare(Arguments& args, Options& o) {
  auto& t = o.text.translate;
  args.positional("MODEL", "a model file", &o.model);
  args.number("threads", "threads", 1, 256, &o.threads);
  args.number("beam", "hypotheses kept by beam search", 1, 64, &t.beam);
  args.number("n-best", "translations printed for each line", 1, 64, &t.n_best);
  args.real("length-penalty", "scores are divided by length to this power", -10, 10,
            &t.length_penalty);
  args.number("min-length", "shortest translation in tokens", 0, 65536, &t.min_length);
  args.number("max-length", "longest translation in tokens", 1, 65536, &t.max_length_b);
  args.text("prefix", "TEXT", "text that every translation starts with", &o.text.prefix);
  args.flag("alignment", "append word alignments in Moses format", &t.alignment);
  args.flag("scores", "append scores", &o.scores);
  args.flag("ids", "lines are token ids divided by blanks, also in the output", &o.ids);
  args.flag("no-shortlist", "consider all words although the model has a shortlist",
            &o.no_shortlist);
  args.number("batch", "sentences translated together at most", 1, 4096, &o.text.max_batch);
  args.real("memory", "MB for the caches of a batch", 0.001, 1e6, &o.text.batch_memory_mb);
  args.number("segment-tokens", "longer lines are translated in pieces", 8, 65536,
              &o.text.segment_tokens);
}

std::string render(const std::vector<edge::TextResult>& results, size_t line, const Options& o) {
  std::string out;
  for (const auto& result : results) {
    if (o.text.translate.n_best > 1) out += str(line, " ||| ");
    out += result.text;
    if (o.text.translate.n_best > 1 || o.scores)
      out += str(" ||| ", fixed(result.score, o.ids ? 6 : 4));
    if (o.text.translate.alignment) out += str(" ||| ", result.alignment);
    out += '\n';
  }
  return out;
}

}  // namespace

int translate_command(const Args& arguments) {
  Options o;
  Arguments args("translate", kSummary);
  declare(args, o);
  std::string help;
  if (!args.parse(arguments, &help)) {
    print(help);
    return 0;
  }
  HAT_CHECK(!o.model.empty(), ErrorKind::kUsage, "no model file given",
            "hat-run translate MODEL < text");
  o.text.translate.shortlist = !o.no_shortlist;
  edge::TextTranslator translator(edge::Model::load(o.model), o.threads,
                                  o.ids ? edge::LineFormat::kIds : edge::LineFormat::kText);
  edge::DescriptorLines lines(STDIN_FILENO);
  size_t line = 0;
  translator.translate_stream(
      [&](bool wait) { return lines.next(wait); }, o.text,
      [&](const std::vector<edge::TextResult>& results) { print(render(results, line++, o)); });
  return 0;
}

}  // namespace hat::run
