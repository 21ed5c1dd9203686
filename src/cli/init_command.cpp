#include <algorithm>
#include <optional>

#include "commands.h"
#include "hat/arch/search_space.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/data/demo_corpus.h"
#include "hat/data/language.h"
#include "hat/data/prepare.h"
#include "hat/data/tokenizer_trainer.h"
#include "table.h"

namespace hat::cli {
namespace {

using config::OrderedJson;

struct Options {
  std::string directory = ".";
  std::string task = "translation";
  std::string source;
  std::string target;
  std::string train;
  std::string valid;
  std::string test;
  std::string space;
  std::vector<std::string> assignments;
  std::optional<int64_t> seed;
  int64_t pairs = 20'000;
  bool demo = false;
  bool force = false;
  bool json = false;
};

/// Removes what was made when init does not come to its end.
class Undo {
 public:
  ~Undo() {
    if (done_) return;
    std::error_code ignored;
    for (auto it = made_.rbegin(); it != made_.rend(); ++it) fs::remove_all(*it, ignored);
  }
  void made(const fs::path& path) { made_.push_back(path); }
  /// Creates the folder and remembers the topmost part that is new.
  void ensure(const fs::path& folder) {
    fs::path top;
    for (fs::path p = fs::absolute(folder).lexically_normal(); !p.empty() && !fs::exists(p);
         p = p.parent_path()) {
      top = p;
    }
    if (!top.empty()) made(top);
    ensure_directory(folder);
  }
  void keep() { done_ = true; }

 private:
  std::vector<fs::path> made_;
  bool done_ = false;
};

void check_flags(const Options& o) {
  const auto absent = [](const std::string& value, const char* flag, bool given) {
    HAT_CHECK(
        value.empty(), ErrorKind::kUsage,
        str(flag, " and ", given ? "--demo" : "--task classification", " exclude each other"));
  };
  if (o.demo) {
    HAT_CHECK(o.task == "translation", ErrorKind::kUsage, "--demo makes a translation task only");
    absent(o.train, "--train", true);
    absent(o.valid, "--valid", true);
    absent(o.test, "--test", true);
    absent(o.source, "--source", true);
    absent(o.target, "--target", true);
    return;
  }
  const bool translation = o.task == "translation";
  if (!translation) absent(o.target, "--target", false);
  const std::string example =
      translation ? "For example: hat init --source de --target en --train DIR/train --valid "
                    "DIR/valid --test DIR/test; or hat init --demo, which needs no data."
                  : "For example: hat init --task classification --train DIR/train.tsv --valid "
                    "DIR/valid.tsv --test DIR/test.tsv";
  const auto needed = [&](const std::string& value, const char* flag) {
    HAT_CHECK(!value.empty(), ErrorKind::kUsage, str(flag, " is missing"), example);
  };
  if (translation) {
    needed(o.source, "--source");
    needed(o.target, "--target");
  }
  needed(o.train, "--train");
  needed(o.valid, "--valid");
}

/// A path as hat.json keeps it: relative inside the workspace (which may then move), absolute
/// outside.
std::string stored_path(const std::string& given, const fs::path& root) {
  if (given.empty()) return "";
  const fs::path absolute = fs::absolute(given).lexically_normal();
  const fs::path base = fs::absolute(root).lexically_normal();
  const fs::path relative = absolute.lexically_relative(base);
  const bool inside = !relative.empty() && *relative.begin() != "..";
  return inside ? relative.string() : absolute.string();
}

/// Accepts PREFIX as well as PREFIX.de or PREFIX.en.
std::string as_prefix(const std::string& given, const Options& o) {
  for (const std::string& language : {o.source, o.target}) {
    const std::string suffix = "." + language;
    if (given.size() > suffix.size() && given.ends_with(suffix) && fs::exists(given) &&
        !fs::exists(given + suffix)) {
      return given.substr(0, given.size() - suffix.size());
    }
  }
  return given;
}

config::TaskConfig task_of(const Options& o, const fs::path& root) {
  config::TaskConfig task;
  task.kind = o.task;
  if (o.task == "translation") {
    task.source = o.source;
    task.target = o.target;
    task.train = stored_path(as_prefix(o.train, o), root);
    task.valid = stored_path(as_prefix(o.valid, o), root);
    task.test = stored_path(as_prefix(o.test, o), root);
  } else {
    if (!o.source.empty()) task.source = o.source;
    task.train = stored_path(o.train, root);
    task.valid = stored_path(o.valid, root);
    task.test = stored_path(o.test, root);
  }
  return task;
}

// A SuperTransformer that the data can fill: see docs/spaces.md.
/// A journey of a few minutes on two cores: small batches, since the corpus is easy and updates are
/// what it needs.
void set_demo_effort(config::WorkspaceConfig* config) {
  config->train.batch_tokens = 1024;
  config->train.max_minutes = 2.5;
  config->search.evaluations = 120;
  config->finetune.update_fraction = 0.2;
}

std::string suggested_space(uint64_t pairs, bool demo) {
  if (demo || pairs < 10'000) return "tiny";
  if (pairs < 400'000) return "small";
  return pairs < 2'000'000 ? "iwslt" : "wmt";
}

std::string fixed_1(double value) { return fixed(value, 1); }

/// What was found, for people and as JSON.
struct Findings {
  std::string text;
  OrderedJson json;
  std::vector<std::string> warnings;
  uint64_t examples = 0;
};

OrderedJson lengths_json(const data::LengthCounts& words) {
  return {{"mean", std::stod(fixed(words.mean(), 2))},
          {"median", words.quantile(0.5)},
          {"percentile_95", words.quantile(0.95)},
          {"longest", words.longest()}};
}

std::string lengths_text(const data::LengthCounts& words) {
  return str(fixed_1(words.mean()), " / ", words.quantile(0.95), " / ", words.longest());
}

Findings describe(const data::ParallelCorpus& corpus, const data::CorpusSummary& s) {
  Findings f;
  const std::string& source = corpus.source_language;
  const std::string& target = corpus.target_language;
  std::vector<std::vector<std::string>> rows = {
      {"", "pairs", source + " words", target + " words", source + " length", target + " length"}};
  const auto add = [&](const char* name, const data::SplitSummary& split) {
    rows.push_back({name, with_commas(split.pairs), with_commas(split.source_words.total()),
                    with_commas(split.target_words.total()), lengths_text(split.source_words),
                    lengths_text(split.target_words)});
    f.json["splits"][name] = {{"pairs", split.pairs},
                              {"empty", split.empty},
                              {"seen_in_train", split.seen_in_train},
                              {"source_words", split.source_words.total()},
                              {"target_words", split.target_words.total()},
                              {"source_length", lengths_json(split.source_words)},
                              {"target_length", lengths_json(split.target_words)}};
  };
  add("train", s.train);
  if (s.valid) add("valid", *s.valid);
  if (s.test) add("test", *s.test);
  const size_t words = s.train.source_words.total() + s.train.target_words.total();
  const int vocabulary = data::suggest_vocabulary_size(words, s.distinct_words);
  f.text =
      str("Translation from ", data::language_name(source), " to ", data::language_name(target),
          "\n\n", table(rows), "  (length in words: mean / 95 % below / longest)\n\n",
          "  vocabulary  about ", with_commas(static_cast<uint64_t>(vocabulary)), " joint pieces (",
          with_commas(s.distinct_words), " distinct words)\n");
  f.json["guessed_source"] = s.guessed_source;
  f.json["guessed_target"] = s.guessed_target;
  f.json["distinct_words"] = s.distinct_words;
  f.json["suggested_vocabulary"] = vocabulary;
  f.warnings = s.warnings;
  f.examples = s.train.pairs;
  return f;
}

Findings describe(const data::LabelledCorpusSummary& s) {
  Findings f;
  std::vector<std::vector<std::string>> rows = {{"", "texts", "words", "length"}};
  for (const std::string& label : s.scheme.labels) rows[0].push_back(label);
  const auto add = [&](const char* name, const data::LabelledSummary& split) {
    std::vector<std::string> row = {name, with_commas(split.examples),
                                    with_commas(split.words.total()), lengths_text(split.words)};
    for (uint64_t count : split.per_class) row.push_back(with_commas(count));
    if (row.size() > 12) row.resize(12);
    rows.push_back(row);
    f.json["splits"][name] = {{"texts", split.examples},
                              {"empty", split.empty},
                              {"seen_in_train", split.seen_in_train},
                              {"per_class", split.per_class},
                              {"length", lengths_json(split.words)}};
  };
  if (rows[0].size() > 12) rows[0].resize(12);
  add("train", s.train);
  if (s.valid) add("valid", *s.valid);
  if (s.test) add("test", *s.test);
  const uint64_t most = *std::max_element(s.train.per_class.begin(), s.train.per_class.end());
  const double majority = 100.0 * static_cast<double>(most) / static_cast<double>(s.train.examples);
  f.text = str("Classification into ", s.scheme.labels.size(), " classes, label in the ",
               s.scheme.label_first ? "first" : "last", " column\n\n", table(rows),
               "  (length in words: mean / 95 % below / longest)\n\n",
               "  always the largest class would be right in ", fixed_1(majority), " % of train\n");
  f.json["labels"] = s.scheme.labels;
  f.json["label_first"] = s.scheme.label_first;
  f.json["distinct_words"] = s.distinct_words;
  f.warnings = s.warnings;
  f.examples = s.train.examples;
  return f;
}

Findings look_at(const config::TaskConfig& task, const fs::path& root) {
  if (task.kind == "translation") {
    const data::ParallelCorpus corpus = data::parallel_corpus(task, root);
    return describe(corpus, data::inspect(corpus));
  }
  return describe(data::inspect(data::labelled_files(task, root)));
}

void write_demo(const Options& o, const fs::path& root, int64_t seed, Options* filled, Undo* undo) {
  const fs::path text = root / "text";
  HAT_CHECK(o.force || !fs::exists(text), ErrorKind::kUsage, str(text.string(), " exists already"),
            "Choose another folder with -C, or add --force.");
  undo->ensure(text);
  data::write_demo_corpus(text, {o.pairs, 0, 0}, static_cast<uint64_t>(seed));
  filled->source = "de";
  filled->target = "en";
  filled->train = (text / "train").string();
  filled->valid = (text / "valid").string();
  filled->test = (text / "test").string();
}

void apply_space(const Options& o, uint64_t examples, config::WorkspaceConfig* config,
                 Findings* found) {
  if (!o.space.empty()) {
    config->space = o.space;
  } else if (config->task.kind == "translation" &&
             config->space == config::WorkspaceConfig().space) {
    config->space = suggested_space(examples, o.demo);
    if (o.demo) set_demo_effort(config);
  }
  if (config->task.kind != "translation") return;
  const arch::SearchSpace space = arch::SearchSpace::named(config->space, o.directory);
  found->text += str("  space       ", config->space, ": ", format_count(space.approximate_count()),
                     " architectures\n");
  found->json["space"] = config->space;
}

void run(const Options& given) {
  Options o = given;
  check_flags(o);
  const fs::path root = o.directory;
  const fs::path file = root / "hat.json";
  HAT_CHECK(o.force || !fs::exists(file), ErrorKind::kUsage,
            str(file.string(), " exists: this is a workspace already"),
            "Go on with hat prepare, choose another folder with -C, or replace it with --force.");
  config::WorkspaceConfig config;
  const config::Schema schema = config::schema_of(config);
  for (const std::string& assignment : o.assignments) {
    config::apply_assignment(schema, assignment, "--set");
  }
  if (o.seed) config::set_value(schema, "seed", std::to_string(*o.seed), "flag --seed");
  Undo undo;
  undo.ensure(root);
  if (o.demo) write_demo(o, root, config.seed, &o, &undo);
  config.task = task_of(o, root);
  Findings found = look_at(config.task, root);
  apply_space(o, found.examples, &config, &found);

  config::WorkspaceConfig defaults;
  OrderedJson changed = {{"version", config.version}};
  changed.update(config::to_json_changed(schema, config::schema_of(defaults)));
  config::save_json(file, changed);
  undo.keep();

  const std::string path = file.lexically_normal().string();
  if (o.json) {
    found.json["warnings"] = found.warnings;
    found.json["workspace"] = path;
    print_json(found.json);
    return;
  }
  std::string text = found.text + "\n";
  for (const std::string& warning : found.warnings) text += "  note: " + warning + "\n";
  if (!found.warnings.empty()) text += "\n";
  const bool here = fs::equivalent(root, fs::current_path());
  print(str(text, "Wrote ", path, ". Next: hat prepare", here ? "" : " -C " + root.string(), "\n"));
}

}  // namespace

Command init_command() {
  auto options = std::make_shared<Options>();
  return {
      "init",
      kPrepareGroup,
      "Make a workspace from text files, or from a generated corpus",
      "Reads the files once, checks them (missing, empty, different line counts, not UTF-8, one\n"
      "file twice, test sentences that are in train), says what it found and writes hat.json,\n"
      "which holds only what differs from the defaults ('hat config' shows all of them).\n\n"
      "Translation: PREFIX.de and PREFIX.en, one sentence a line, line i of one is the\n"
      "translation of line i of the other. Classification: a .tsv file with a label and a text\n"
      "(in either order) in each line.\n\n"
      "Examples:\n"
      "  hat init --source de --target en --train DIR/train --valid DIR/valid --test DIR/test\n"
      "  hat init --task classification --train train.tsv --valid valid.tsv --test test.tsv\n"
      "  hat init --demo\n"
      "  hat init --demo --pairs 100000 --seed 7 -C bigger\n",
      [options](CLI::App& app) {
        app.add_option("-C,--workspace", options->directory,
                       "Make the workspace in this folder [.]")
            ->type_name("DIR");
        app.add_option("--task", options->task, "translation or classification [translation]")
            ->check(CLI::IsMember({"translation", "classification"}))
            ->type_name("KIND");
        app.add_option("--source", options->source, "Source language: the extension of its files")
            ->type_name("CODE");
        app.add_option("--target", options->target, "Target language: the extension of its files")
            ->type_name("CODE");
        app.add_option("--train", options->train, "Training text")->type_name("PREFIX");
        app.add_option("--valid", options->valid, "Validation text")->type_name("PREFIX");
        app.add_option("--test", options->test, "Test text; only hat evaluate reads it")
            ->type_name("PREFIX");
        app.add_flag("--demo", options->demo,
                     "Generate a German-like to English-like corpus in DIR/text");
        app.add_option("--pairs", options->pairs, "Training pairs of --demo [20000]")
            ->check(CLI::Range(int64_t{100}, int64_t{50'000'000}))
            ->type_name("N");
        app.add_option("--space", options->space,
                       "Search space; without it one is chosen by the data's size")
            ->type_name("NAME");
        app.add_option("--seed", options->seed, "Seed of everything random [1]")
            ->check(CLI::NonNegativeNumber)
            ->type_name("N");
        app.add_option("--set", options->assignments, "Set a key of hat.json")
            ->type_name("KEY=VALUE")
            ->expected(1)
            ->allow_extra_args(false)
            ->take_all();
        app.add_flag("--force", options->force, "Replace an existing hat.json");
        app.add_flag("--json", options->json, "Print what was found as JSON");
      },
      [options] { run(*options); }};
}

}  // namespace hat::cli
