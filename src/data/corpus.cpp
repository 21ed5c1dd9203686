#include "hat/data/corpus.h"

#include <algorithm>
#include <cmath>
#include <unordered_set>

#include "data/words.h"
#include "hat/base/error.h"
#include "hat/base/progress.h"
#include "hat/base/rng.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/data/language.h"
#include "hat/data/text_file.h"

namespace hat::data {
namespace {

constexpr size_t kMostDistinctWords = 1'000'000;
constexpr uint64_t kGuessSentences = 20'000;

using Hashes = std::unordered_set<uint64_t>;

uint64_t pair_hash(std::string_view source, std::string_view target) {
  return mix_seed(hash64(trim(source)), hash64(trim(target)));
}

size_t count_words(std::string_view line) {
  size_t words = 0;
  for_each_word(line, [&](std::string_view) { ++words; });
  return words;
}

struct NamedFile {
  std::string role;  // "train source"
  fs::path path;
};

void check_files(const ParallelCorpus& corpus) {
  std::vector<NamedFile> files = {{"train source", corpus.train.source},
                                  {"train target", corpus.train.target}};
  const auto add = [&](const char* split, const std::optional<ParallelFiles>& pair) {
    if (!pair) return;
    files.push_back({str(split, " source"), pair->source});
    files.push_back({str(split, " target"), pair->target});
  };
  add("valid", corpus.valid);
  add("test", corpus.test);
  for (const NamedFile& file : files) {
    LineReader reader(file.path);
    HAT_CHECK(fs::file_size(file.path) > 0, ErrorKind::kData,
              str(file.path.string(), ": the ", file.role, " file is empty"),
              "Give a file with one sentence a line.");
  }
  for (size_t i = 0; i < files.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      HAT_CHECK(
          !fs::equivalent(files[i].path, files[j].path), ErrorKind::kData,
          str(files[i].path.string(), ": one file is both ", files[j].role, " and ", files[i].role),
          "Each split and each side needs a file of its own.");
    }
  }
}

[[noreturn]] void fail_line_counts(const LineReader& a, uint64_t lines_a, const LineReader& b,
                                   uint64_t lines_b) {
  fail(ErrorKind::kData,
       str(a.path().string(), " has ", with_commas(lines_a), " lines, ", b.path().string(), " has ",
           with_commas(lines_b)),
       "Line i of one file must be the translation of line i of the other.");
}

/// Reads one split and tells a visitor of every pair.
class SplitReader {
 public:
  explicit SplitReader(const ParallelFiles& files) : files_(files) {}

  template <class Visit>
  SplitSummary read(Visit visit) {
    LineReader source(files_.source);
    LineReader target(files_.target);
    SplitSummary summary;
    uint64_t text_hash[2] = {0, 0};
    uint64_t empty_sides[2] = {0, 0};
    std::string_view lines[2];
    while (true) {
      const bool more_source = source.next(&lines[0]);
      const bool more_target = target.next(&lines[1]);
      if (!more_source && !more_target) break;
      if (more_source != more_target) count_rest(source, target);
      if (summary.pairs++ % 4096 == 0) throw_if_stopped();
      summary.bytes += lines[0].size() + lines[1].size();
      for (int side = 0; side < 2; ++side) {
        text_hash[side] = mix_seed(text_hash[side], hash64(lines[side]));
        empty_sides[side] += trim(lines[side]).empty();
      }
      summary.empty += trim(lines[0]).empty() || trim(lines[1]).empty();
      summary.source_words.add(count_words(lines[0]));
      summary.target_words.add(count_words(lines[1]));
      visit(lines[0], lines[1]);
    }
    const fs::path* paths[2] = {&files_.source, &files_.target};
    for (int side = 0; side < 2; ++side) {
      HAT_CHECK(empty_sides[side] < summary.pairs, ErrorKind::kData,
                str(paths[side]->string(), ": every line is empty"),
                "Give a file with one sentence a line.");
    }
    HAT_CHECK(text_hash[0] != text_hash[1], ErrorKind::kData,
              str(files_.source.string(), " and ", files_.target.string(),
                  " hold the same text: nothing is translated"),
              "Give the text in one language and its translation in the other.");
    content_hash_ = mix_seed(text_hash[0], text_hash[1]);
    return summary;
  }
  uint64_t content_hash() const { return content_hash_; }

 private:
  [[noreturn]] static void count_rest(LineReader& source, LineReader& target) {
    // A reader that is at its end keeps its number of lines.
    std::string_view line;
    while (source.next(&line)) {
    }
    while (target.next(&line)) {
    }
    fail_line_counts(source, source.line_number(), target, target.line_number());
  }

  const ParallelFiles& files_;
  uint64_t content_hash_ = 0;
};

struct HeldOut {
  const char* name;
  const ParallelFiles* files;
  std::optional<SplitSummary>* summary;
  std::vector<uint64_t> pairs;
  uint64_t content_hash = 0;
};

void read_held_out(HeldOut& split, Hashes& wanted) {
  SplitReader reader(*split.files);
  *split.summary = reader.read([&](std::string_view source, std::string_view target) {
    split.pairs.push_back(pair_hash(source, target));
    wanted.insert(split.pairs.back());
  });
  split.content_hash = reader.content_hash();
}

void warn_of_overlap(const HeldOut& split, CorpusSummary* result) {
  const SplitSummary& s = **split.summary;
  if (s.seen_in_train == 0) return;
  const double share = 100.0 * static_cast<double>(s.seen_in_train) / static_cast<double>(s.pairs);
  result->warnings.push_back(str(with_commas(s.seen_in_train), " of ", with_commas(s.pairs), " ",
                                 split.name, " pairs (", fixed(share, 1),
                                 " %) are in train too; scores on them say little"));
}

void warn_of_languages(const ParallelCorpus& corpus, CorpusSummary* result) {
  const std::string& source = result->guessed_source;
  const std::string& target = result->guessed_target;
  if (!source.empty() && source == corpus.target_language && target == corpus.source_language) {
    result->warnings.push_back(str("the source looks like ", language_name(source),
                                   " and the target like ", language_name(target),
                                   ": are the files swapped?"));
    return;
  }
  const auto check = [&](const char* side, const std::string& guess, const std::string& said) {
    if (guess.empty() || guess == said || language_name(said) == said) return;
    result->warnings.push_back(str("the ", side, " was said to be ", language_name(said),
                                   " but looks like ", language_name(guess)));
  };
  check("source", source, corpus.source_language);
  check("target", target, corpus.target_language);
}

}  // namespace

ParallelFiles parallel_files(const fs::path& prefix, const std::string& source,
                             const std::string& target) {
  return {fs::path(prefix.string() + "." + source), fs::path(prefix.string() + "." + target)};
}

void LengthCounts::add(size_t length) {
  ++counts_[std::min(length, kMost)];
  ++count_;
  total_ += length;
  longest_ = std::max(longest_, length);
}

double LengthCounts::mean() const {
  return count_ == 0 ? 0.0 : static_cast<double>(total_) / static_cast<double>(count_);
}

size_t LengthCounts::quantile(double q) const {
  const double wanted = q * static_cast<double>(count_);
  uint64_t below = 0;
  for (size_t length = 0; length <= kMost; ++length) {
    below += counts_[length];
    if (static_cast<double>(below) >= wanted && below > 0) return length;
  }
  return longest_;
}

void PairLengths::add(size_t source, size_t target) {
  const size_t at = std::min(source, LengthCounts::kMost);
  if (by_source_.size() <= at) by_source_.resize(at + 1);
  by_source_[at].pairs += 1;
  by_source_[at].target += static_cast<double>(target);
}

std::vector<PairLengths::Pair> PairLengths::groups(int count) const {
  double total = 0;
  for (const Entry& entry : by_source_) total += entry.pairs;
  std::vector<Pair> result;
  if (total == 0) return result;
  const double size = total / count;
  size_t at = 0;
  double left = by_source_[0].pairs;  // of the current source length
  for (int group = 0; group < count; ++group) {
    double wanted = size;
    double source = 0;
    double target = 0;
    while (wanted > 1e-9 * size) {
      while (left <= 0 && at + 1 < by_source_.size()) left = by_source_[++at].pairs;
      const double taken = std::min(left, wanted);
      if (taken <= 0) break;
      source += taken * static_cast<double>(at);
      target += taken * by_source_[at].target / by_source_[at].pairs;
      left -= taken;
      wanted -= taken;
    }
    const double taken = std::max(size - wanted, 1e-9);
    result.push_back({std::max(1, static_cast<int>(std::lround(source / taken))),
                      std::max(1, static_cast<int>(std::lround(target / taken)))});
  }
  return result;
}

CorpusSummary inspect(const ParallelCorpus& corpus) {
  check_files(corpus);
  CorpusSummary result;
  Hashes wanted;
  std::vector<HeldOut> held_out;
  if (corpus.valid) held_out.push_back({"validation", &*corpus.valid, &result.valid, {}, 0});
  if (corpus.test) held_out.push_back({"test", &*corpus.test, &result.test, {}, 0});
  for (HeldOut& split : held_out) read_held_out(split, wanted);

  Hashes found;
  Hashes words;
  LanguageGuess source_guess;
  LanguageGuess target_guess;
  uint64_t read = 0;
  Progress progress("reading", 0, "pairs");
  SplitReader reader(corpus.train);
  result.train = reader.read([&](std::string_view source, std::string_view target) {
    if (++read % 8192 == 0) progress.update(read);
    if (!wanted.empty()) {
      const uint64_t hash = pair_hash(source, target);
      if (wanted.contains(hash)) found.insert(hash);
    }
    if (read <= kGuessSentences) {
      source_guess.add(source);
      target_guess.add(target);
    }
    if (words.size() < kMostDistinctWords) {
      for (std::string_view side : {source, target}) {
        for_each_word(side, [&](std::string_view word) { words.insert(hash64(word)); });
      }
    }
  });
  for (HeldOut& split : held_out) {
    HAT_CHECK(split.content_hash != reader.content_hash(), ErrorKind::kData,
              str(split.files->source.string(), ": ", split.name, " and train are the same text"),
              "Scores on the training text mean nothing; give other sentences.");
    (*split.summary)->seen_in_train =
        static_cast<uint64_t>(std::count_if(split.pairs.begin(), split.pairs.end(),
                                            [&](uint64_t hash) { return found.contains(hash); }));
    warn_of_overlap(split, &result);
  }
  result.distinct_words = words.size();
  result.guessed_source = source_guess.code();
  result.guessed_target = target_guess.code();
  warn_of_languages(corpus, &result);
  if (result.train.empty > 0) {
    result.warnings.push_back(str(with_commas(result.train.empty),
                                  " training pairs are empty on one side; hat prepare drops them"));
  }
  return result;
}

}  // namespace hat::data
