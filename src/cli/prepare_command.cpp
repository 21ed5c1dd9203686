#include "commands.h"
#include "hat/base/clock.h"
#include "hat/base/strings.h"
#include "hat/data/language.h"
#include "hat/data/prepare.h"
#include "table.h"

namespace hat::cli {
namespace {

struct Options {
  WorkspaceFlags workspace;
  bool json = false;
};

std::string lengths(const data::LengthCounts& tokens) {
  return str(fixed(tokens.mean(), 1), " / ", tokens.quantile(0.95), " / ", tokens.longest());
}

std::string splits_table(const data::Prepared& p) {
  std::vector<std::vector<std::string>> rows = {
      {"", "kept", "empty", "too long", "ratio", "tokens", p.source_language + " length"}};
  if (p.classification) {
    rows[0].back() = "length";
  } else {
    rows[0].push_back(p.target_language + " length");
  }
  for (const data::PreparedSplit& split : p.splits) {
    const uint64_t tokens = split.source.total() + (p.classification ? 0 : split.target.total());
    rows.push_back({split.name, with_commas(split.kept), with_commas(split.dropped.empty),
                    with_commas(split.dropped.too_long), with_commas(split.dropped.ratio),
                    with_commas(tokens), lengths(split.source)});
    if (!p.classification) rows.back().push_back(lengths(split.target));
  }
  return table(rows);
}

std::string vocabulary_text(const data::Prepared& p) {
  const auto pieces = [](int size) { return with_commas(static_cast<uint64_t>(size)); };
  if (p.classification) {
    return str(pieces(p.source_vocabulary), " pieces; ", p.labels.size(), " classes");
  }
  if (p.joint) return str(pieces(p.source_vocabulary), " pieces for both languages");
  return str(pieces(p.source_vocabulary), " ", data::language_name(p.source_language), " and ",
             pieces(p.target_vocabulary), " ", data::language_name(p.target_language), " pieces");
}

void run(const Options& options) {
  const config::Workspace workspace = options.workspace.open();
  const config::WorkspaceConfig& config = workspace.config();
  data::PrepareJob job;
  job.task = config.task;
  job.options = config.prepare;
  job.root = workspace.root();
  job.data_dir = workspace.data_dir();
  job.seed = static_cast<uint64_t>(config.seed);
  job.batch_tokens = config.train.batch_tokens;
  const double start_ms = wall_ms();
  const data::Prepared prepared = data::prepare(job);
  config::write_run_records(workspace.data_dir(), workspace, invocation().text());
  const double elapsed_ms = wall_ms() - start_ms;
  if (options.json) {
    print_json(prepared.to_json());
    return;
  }
  const uint64_t unknown = prepared.splits.front().unknown;
  std::string text =
      splits_table(prepared) +
      "  (dropped: empty, too long, lengths too unequal; length in tokens: mean / 95 "
      "% below / longest)\n\n" +
      "  vocabulary  " + vocabulary_text(prepared) + "\n";
  if (unknown > 0) text += str("  unknown     ", with_commas(unknown), " pieces of train\n");
  text += str("  padding     ", fixed(100 * prepared.padding_share, 1), " % in batches of ",
              with_commas(static_cast<uint64_t>(job.batch_tokens)), " tokens\n\n");
  print(str(text, "Wrote ", workspace.data_dir().lexically_normal().string(), " in ",
            format_duration_ms(elapsed_ms), ". Next: hat train-super\n"));
}

}  // namespace

Command prepare_command() {
  auto options = std::make_shared<Options>();
  return {
      "prepare",
      kPrepareGroup,
      "Train the tokenizer, clean the text, write binary corpora",
      "Reads the files that hat.json names and fills data/: the SentencePiece model (one for both\n"
      "languages unless prepare.joint_vocabulary is false), train, valid and test as "
      "memory-mapped\n"
      "token files, and data.json with every count. Pairs of train are left out when a side is\n"
      "empty or longer than prepare.max_tokens_per_sentence pieces, or when the lengths differ by\n"
      "more than prepare.max_length_ratio; test keeps every line. Memory stays bounded however\n"
      "large the text. data/ is replaced as a whole at the end: after an error the old one is\n"
      "still there.\n\n"
      "Examples:\n"
      "  hat prepare\n"
      "  hat prepare --vocabulary 6000\n"
      "  hat prepare --tokenizer bpe --set prepare.joint_vocabulary=false\n",
      [options](CLI::App& app) {
        options->workspace.declare(app);
        options->workspace.bind(app, "--vocabulary", "prepare.vocabulary_size");
        options->workspace.bind(app, "--tokenizer", "prepare.tokenizer");
        app.add_flag("--json", options->json, "Print data.json");
      },
      [options] { run(*options); }};
}

}  // namespace hat::cli
