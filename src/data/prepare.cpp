#include "hat/data/prepare.h"

#include <algorithm>
#include <cstdio>

#include "data/encoder.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/progress.h"
#include "hat/base/rng.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/data/batch.h"
#include "hat/data/text_file.h"
#include "hat/data/tokenizer_trainer.h"

namespace hat::data {
namespace {

/// The folder that is filled and then takes the place of data/; removed with all its content when
/// anything fails before.
class Staging {
 public:
  explicit Staging(const fs::path& target)
      : target_(target),
        folder_(target.parent_path() / ("." + target.filename().string() + ".new")),
        old_(target.parent_path() / ("." + target.filename().string() + ".old")) {
    ensure_directory(folder_);
    lock_ = std::make_unique<FileLock>(folder_ / "lock");
    restore();
    // Whatever a killed run left; the lock says that nobody else is at work.
    for (const auto& entry : fs::directory_iterator(folder_)) {
      if (entry.path().filename() != "lock") fs::remove_all(entry.path());
    }
  }
  ~Staging() {
    std::error_code ignored;
    if (!committed_) fs::remove_all(folder_, ignored);
  }
  Staging(const Staging&) = delete;
  Staging& operator=(const Staging&) = delete;

  const fs::path& folder() const { return folder_; }
  void commit() {
    try {
      fs::remove_all(old_);
      fs::remove(folder_ / "lock");
      if (fs::exists(target_)) fs::rename(target_, old_);
      fs::rename(folder_, target_);
      committed_ = true;
      fs::remove_all(old_);
    } catch (const fs::filesystem_error& e) {
      restore();
      fail(ErrorKind::kIo, str("cannot replace ", target_.string(), ": ", e.code().message()));
    }
  }

 private:
  /// A run that ended between the two renames of commit() left the old folder under its other name.
  void restore() {
    if (fs::exists(target_) || !fs::exists(old_)) return;
    std::error_code error;
    fs::rename(old_, target_, error);
    if (error) return;
    log_warning("data", str("an earlier hat prepare was stopped while it replaced ",
                            target_.string(), ": the data from before are back"));
  }

  fs::path target_;
  fs::path folder_;
  fs::path old_;
  std::unique_ptr<FileLock> lock_;
  bool committed_ = false;
};

fs::path resolve(const fs::path& root, const std::string& path) {
  return fs::path(path).is_absolute() ? fs::path(path) : root / path;
}

/// Draws sentences of text files for the tokenizer: each with one probability, chosen so that
/// neither the number of sentences nor the memory of training goes beyond its limit.
class Sampler {
 public:
  Sampler(uint64_t lines, uint64_t bytes, int64_t most_lines, uint64_t seed)
      : rng_(seed, "tokenizer sample") {
    const double by_lines =
        static_cast<double>(most_lines) / static_cast<double>(std::max<uint64_t>(lines, 1));
    const double by_bytes =
        static_cast<double>(kMaxTrainingBytes) / static_cast<double>(std::max<uint64_t>(bytes, 1));
    probability_ = std::min({1.0, by_lines, by_bytes});
  }
  bool draw() { return probability_ >= 1.0 || rng_.chance(probability_); }

 private:
  Rng rng_;
  double probability_;
};

/// One run of hat prepare.
class Preparer {
 public:
  explicit Preparer(const PrepareJob& job) : job_(job), staging_(job.data_dir) {}

  Prepared run() {
    if (job_.task.kind == "classification") {
      labelled();
    } else {
      parallel();
    }
    const TokenDataset train = TokenDataset::open(staging_.folder() / "train");
    BatchOptions batches;
    batches.batch_tokens = job_.batch_tokens;
    batches.seed = job_.seed;
    result_.padding_share = BatchPlan(train, batches, 0).padding_share();
    config::save_json(staging_.folder() / "data.json", result_.to_json());
    staging_.commit();
    return std::move(result_);
  }

 private:
  // --- tokenizers --------------------------------------------------------------------------------

  TokenizerOptions tokenizer_options() const {
    TokenizerOptions options;
    if (job_.options.tokenizer == "bpe") options.model_type = "bpe";
    options.vocabulary_size = job_.options.vocabulary_size;
    options.lowercase = job_.options.lowercase;
    options.character_coverage = job_.options.character_coverage;
    return options;
  }

  bool given_tokenizer() const {
    const std::string& t = job_.options.tokenizer;
    return t != "auto" && t != "unigram" && t != "bpe";
  }

  text::PieceTokenizer store(const std::string& model, const std::string& name) {
    write_file_atomic(staging_.folder() / name, model);
    result_.tokenizers.push_back(name);
    const auto tokenizer = text::PieceTokenizer::from_bytes(model, name);
    tokenizer.check_special_ids(name);
    return tokenizer;
  }

  text::PieceTokenizer copy_given() {
    const fs::path path = resolve(job_.root, job_.options.tokenizer);
    HAT_CHECK(fs::exists(path), ErrorKind::kConfig,
              str("prepare.tokenizer: '", job_.options.tokenizer,
                  "' is no kind of tokenizer and no file"),
              "It is auto, unigram, bpe, or the path of a SentencePiece .model file.");
    const std::string model = read_file(path, size_t{1} << 30);
    const auto tokenizer = text::PieceTokenizer::from_bytes(model, path.string());
    tokenizer.check_special_ids(path.string());
    return store(model, "tokenizer.model");
  }

  text::PieceTokenizer train(const std::vector<std::string>& sentences, const std::string& name) {
    log_info("data", str("training ", name, " on ", with_commas(sentences.size()), " sentences"));
    result_.tokenizer_sentences += sentences.size();
    return store(train_tokenizer(sentences, tokenizer_options()).model, name);
  }

  // --- parallel text
  // -------------------------------------------------------------------------------

  void parallel() {
    const ParallelCorpus corpus = parallel_corpus(job_.task, job_.root);
    const CorpusSummary summary = inspect(corpus);
    for (const std::string& warning : summary.warnings) log_warning("data", warning);
    result_.source_language = corpus.source_language;
    result_.target_language = corpus.target_language;
    result_.joint = job_.options.joint_vocabulary || given_tokenizer();
    std::vector<text::PieceTokenizer> tokenizers;
    if (given_tokenizer()) {
      tokenizers.push_back(copy_given());
    } else {
      std::vector<std::string> sample[2];
      sample_parallel(corpus.train, summary.train, &sample[0],
                      result_.joint ? &sample[0] : &sample[1]);
      if (result_.joint) {
        tokenizers.push_back(train(sample[0], "tokenizer.model"));
      } else {
        tokenizers.push_back(train(sample[0], "tokenizer." + corpus.source_language + ".model"));
        tokenizers.push_back(train(sample[1], "tokenizer." + corpus.target_language + ".model"));
      }
    }
    result_.source_vocabulary = tokenizers.front().size();
    result_.target_vocabulary = tokenizers.back().size();
    encode_parallel("train", corpus.train, summary.train.pairs, tokenizers);
    if (corpus.valid) encode_parallel("valid", *corpus.valid, summary.valid->pairs, tokenizers);
    if (corpus.test) encode_parallel("test", *corpus.test, summary.test->pairs, tokenizers);
  }

  void sample_parallel(const ParallelFiles& files, const SplitSummary& summary,
                       std::vector<std::string>* sources, std::vector<std::string>* targets) {
    Sampler sampler(2 * summary.pairs, summary.bytes, job_.options.tokenizer_sample, job_.seed);
    LineReader source(files.source);
    LineReader target(files.target);
    std::string_view lines[2];
    while (source.next(&lines[0]) && target.next(&lines[1])) {
      if (source.line_number() % 4096 == 0) throw_if_stopped();
      if (!trim(lines[0]).empty() && sampler.draw()) sources->emplace_back(lines[0]);
      if (!trim(lines[1]).empty() && sampler.draw()) targets->emplace_back(lines[1]);
    }
  }

  SplitEncoder::Rules rules(const std::string& split) const {
    SplitEncoder::Rules r;
    r.max_tokens = static_cast<size_t>(job_.options.max_tokens_per_sentence);
    r.max_ratio = job_.options.max_length_ratio;
    r.keep_every_line = split == "test";
    r.check_ratio = split == "train";
    return r;
  }

  void encode_parallel(const std::string& split, const ParallelFiles& files, uint64_t pairs,
                       const std::vector<text::PieceTokenizer>& tokenizers) {
    SplitEncoder encoder(split, staging_.folder(), rules(split), tokenizers.front(),
                         tokenizers.back());
    Progress progress("encoding " + split, pairs, "pairs");
    LineReader source(files.source);
    LineReader target(files.target);
    std::string_view lines[2];
    while (source.next(&lines[0]) && target.next(&lines[1])) {
      if (source.line_number() % 1024 == 0) {
        throw_if_stopped();
        progress.update(source.line_number());
      }
      encoder.add_pair(lines[0], lines[1]);
    }
    result_.splits.push_back(encoder.finish());
  }

  // --- labelled text
  // -------------------------------------------------------------------------------

  void labelled() {
    const LabelledFiles files = labelled_files(job_.task, job_.root);
    const LabelledCorpusSummary summary = inspect(files);
    for (const std::string& warning : summary.warnings) log_warning("data", warning);
    result_.classification = true;
    result_.source_language = job_.task.source;
    result_.labels = summary.scheme.labels;
    std::optional<text::PieceTokenizer> tokenizer;
    if (given_tokenizer()) {
      tokenizer = copy_given();
    } else {
      Sampler sampler(summary.train.examples, summary.train.bytes, job_.options.tokenizer_sample,
                      job_.seed);
      std::vector<std::string> sample;
      LabelledReader reader(files.train, summary.scheme);
      std::string_view text;
      int label = 0;
      while (reader.next(&text, &label)) {
        if (!trim(text).empty() && sampler.draw()) sample.emplace_back(text);
      }
      tokenizer = train(sample, "tokenizer.model");
    }
    result_.source_vocabulary = tokenizer->size();
    result_.target_vocabulary = static_cast<int>(summary.scheme.labels.size());
    const auto encode = [&](const std::string& split, const fs::path& path) {
      SplitEncoder::Rules r = rules(split);
      r.keep_every_line = split != "train";  // an accuracy counts every example
      SplitEncoder encoder(split, staging_.folder(), r, *tokenizer, result_.target_vocabulary);
      LabelledReader reader(path, summary.scheme);
      std::string_view text;
      int label = 0;
      while (reader.next(&text, &label)) encoder.add_labelled(text, label);
      result_.splits.push_back(encoder.finish());
    };
    encode("train", files.train);
    if (files.valid) encode("valid", *files.valid);
    if (files.test) encode("test", *files.test);
  }

  const PrepareJob& job_;
  Staging staging_;
  Prepared result_;
};

// Enough for the latency of a corpus: costs are nearly linear in both lengths.
constexpr int kLengthGroups = 5;

config::OrderedJson lengths_json(const LengthCounts& lengths) {
  config::OrderedJson j;
  j["tokens"] = lengths.total();
  j["mean"] = std::stod(fixed(lengths.mean(), 3));
  j["median"] = lengths.quantile(0.5);
  j["percentile_95"] = lengths.quantile(0.95);
  j["longest"] = lengths.longest();
  return j;
}

std::string hex(uint64_t value) {
  char text[17];
  std::snprintf(text, sizeof(text), "%016llx", static_cast<unsigned long long>(value));
  return text;
}

fs::path needed(const std::string& value, const char* key, const fs::path& root) {
  HAT_CHECK(!value.empty(), ErrorKind::kConfig, str("hat.json names no ", key),
            str("Set ", key, " in hat.json or with --set ", key, "=PATH."));
  return resolve(root, value);
}

}  // namespace

config::OrderedJson Prepared::to_json() const {
  config::OrderedJson j;
  j["version"] = 1;
  j["task"] = classification ? "classification" : "translation";
  j["source_language"] = source_language;
  if (!classification) j["target_language"] = target_language;
  if (classification) j["labels"] = labels;
  j["tokenizers"] = tokenizers;
  j["joint_vocabulary"] = joint;
  j["source_vocabulary"] = source_vocabulary;
  j["target_vocabulary"] = target_vocabulary;
  j["tokenizer_sentences"] = tokenizer_sentences;
  j["padding_share"] = std::stod(fixed(padding_share, 4));
  for (const PreparedSplit& split : splits) {
    config::OrderedJson s;
    s["read"] = split.read;
    s["kept"] = split.kept;
    s["dropped"] = {{"empty", split.dropped.empty},
                    {"too_long", split.dropped.too_long},
                    {"ratio", split.dropped.ratio}};
    s["source"] = lengths_json(split.source);
    if (!classification) {
      s["target"] = lengths_json(split.target);
      for (const PairLengths::Pair& pair : split.pairs.groups(kLengthGroups)) {
        s["length_groups"].push_back(config::OrderedJson::array({pair.source, pair.target}));
      }
    }
    s["unknown"] = split.unknown;
    s["fingerprint"] = hex(split.fingerprint);
    j["splits"][split.name] = s;
  }
  return j;
}

ParallelCorpus parallel_corpus(const config::TaskConfig& task, const fs::path& root) {
  for (const std::string* language : {&task.source, &task.target}) {
    HAT_CHECK(!language->empty() && language->find('/') == std::string::npos, ErrorKind::kConfig,
              str("'", *language, "' is no language code"), "Use codes such as de and en.");
  }
  HAT_CHECK(task.source != task.target, ErrorKind::kConfig,
            str("source and target language are both '", task.source, "'"),
            "Translation needs two: task.source and task.target.");
  ParallelCorpus corpus;
  corpus.source_language = task.source;
  corpus.target_language = task.target;
  const auto files = [&](const std::string& prefix, const char* key) {
    return parallel_files(needed(prefix, key, root), task.source, task.target);
  };
  corpus.train = files(task.train, "task.train");
  if (!task.valid.empty()) corpus.valid = files(task.valid, "task.valid");
  if (!task.test.empty()) corpus.test = files(task.test, "task.test");
  return corpus;
}

LabelledFiles labelled_files(const config::TaskConfig& task, const fs::path& root) {
  LabelledFiles files;
  files.train = needed(task.train, "task.train", root);
  if (!task.valid.empty()) files.valid = resolve(root, task.valid);
  if (!task.test.empty()) files.test = resolve(root, task.test);
  return files;
}

Prepared prepare(const PrepareJob& job) { return Preparer(job).run(); }

}  // namespace hat::data
