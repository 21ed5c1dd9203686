#include "hat/data/tokenizer_trainer.h"

#include <sentencepiece_trainer.h>

#include <algorithm>
#include <cmath>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "data/words.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/text/piece_tokenizer.h"

namespace hat::data {
namespace {

// The trainer's sums depend on the number of threads, so it is the same everywhere.
constexpr const char* kThreads = "4";

class VectorIterator : public sentencepiece::SentenceIterator {
 public:
  explicit VectorIterator(const std::vector<std::string>& sentences) : sentences_(sentences) {}
  bool done() const override { return next_ == sentences_.size(); }
  void Next() override { ++next_; }
  const std::string& value() const override { return sentences_[next_]; }
  sentencepiece::util::Status status() const override { return {}; }

 private:
  const std::vector<std::string>& sentences_;
  size_t next_ = 0;
};

struct TextSize {
  size_t words = 0;
  size_t distinct_words = 0;
};

TextSize measure(const std::vector<std::string>& sentences) {
  TextSize size;
  std::unordered_set<uint64_t> seen;
  for (const std::string& sentence : sentences) {
    for_each_word(sentence, [&](std::string_view word) {
      ++size.words;
      seen.insert(hash64(word));
    });
  }
  size.distinct_words = seen.size();
  return size;
}

// The library says "Vocabulary size too high (9000). Please set it to a value <= 812." or, when the
// characters alone do not fit, "... vocab_size ... required_chars ...: 50 vs 73".
int number_after(const std::string& message, const std::string& marker) {
  const size_t at = message.find(marker);
  if (at == std::string::npos) return 0;
  return std::atoi(message.c_str() + at + marker.size());
}

std::unordered_map<std::string, std::string> arguments(const TokenizerOptions& options, int size) {
  return {{"model_type", options.model_type},
          {"vocab_size", std::to_string(size)},
          {"character_coverage", std::to_string(options.character_coverage)},
          {"normalization_rule_name", options.lowercase ? "nmt_nfkc_cf" : "nmt_nfkc"},
          {"bos_id", "0"},
          {"pad_id", "1"},
          {"eos_id", "2"},
          {"unk_id", "3"},
          {"num_threads", kThreads},
          {"minloglevel", "3"}};
}

struct Attempt {
  std::string model;
  std::string error;
};

Attempt attempt(const std::vector<std::string>& sentences, const TokenizerOptions& options,
                int size) {
  VectorIterator iterator(sentences);
  Attempt result;
  const auto status = sentencepiece::SentencePieceTrainer::Train(arguments(options, size),
                                                                 &iterator, &result.model);
  if (!status.ok()) result.error = status.ToString();
  return result;
}

}  // namespace

int suggest_vocabulary_size(size_t words, size_t distinct_words) {
  const double by_length = 8000 * std::pow(static_cast<double>(words) / 690'000.0, 0.4);
  const double by_words = 0.7 * static_cast<double>(distinct_words);
  const double size = std::clamp(std::min(by_length, by_words), 100.0, 32000.0);
  // Multiples of 8 suit matrix kernels; round numbers suit people.
  const int step = size < 1000 ? 8 : size < 4000 ? 200 : 1000;
  return std::max(step, static_cast<int>(std::lround(size / step)) * step);
}

TrainedTokenizer train_tokenizer(const std::vector<std::string>& sentences,
                                 const TokenizerOptions& options) {
  HAT_CHECK(!sentences.empty(), ErrorKind::kData, "no text to train a tokenizer on");
  HAT_CHECK(options.model_type == "unigram" || options.model_type == "bpe", ErrorKind::kConfig,
            str("unknown kind of tokenizer '", options.model_type, "'"),
            "prepare.tokenizer is auto, unigram, bpe or the path of a .model file.");
  const bool chosen_here = options.vocabulary_size == 0;
  int size = options.vocabulary_size;
  if (chosen_here) {
    const TextSize text = measure(sentences);
    size = suggest_vocabulary_size(text.words, text.distinct_words);
  }
  Attempt result = attempt(sentences, options, size);
  constexpr int kCorrections = 3;
  for (int i = 0; i < kCorrections && chosen_here && !result.error.empty(); ++i) {
    const int most = number_after(result.error, "value <= ");
    size = most > 0 && most < size ? most : 2 * size;  // too few for the characters otherwise
    result = attempt(sentences, options, size);
  }
  if (!result.error.empty()) {
    const int most = number_after(result.error, "value <= ");
    HAT_CHECK(
        most <= 0, ErrorKind::kConfig,
        str("prepare.vocabulary_size: ", size, " pieces are more than the text has; at most ", most,
            " are possible"),
        str("Use --set prepare.vocabulary_size=", most, " or less, or 0 to choose by the data."));
    fail(ErrorKind::kConfig,
         str("no tokenizer of ", size, " pieces can be trained on this text: ", result.error),
         "Set prepare.vocabulary_size to 0 to choose by the data.");
  }
  const auto tokenizer = text::PieceTokenizer::from_bytes(result.model, "trained tokenizer");
  tokenizer.check_special_ids("trained tokenizer");
  return {std::move(result.model), tokenizer.size()};
}

}  // namespace hat::data
