#pragma once

#include <string>
#include <vector>

/// Training of SentencePiece models: the one place that uses the library.
namespace hat::data {

struct TokenizerOptions {
  std::string model_type = "unigram";  ///< or "bpe"
  int vocabulary_size = 0;             ///< 0: chosen by the data's size
  bool lowercase = false;
  double character_coverage = 1.0;
};

struct TrainedTokenizer {
  std::string model;  ///< content of a .model file, with hat's special ids
  int vocabulary_size = 0;
};

/// A vocabulary for so many running words and distinct words: about 8,000 for the 29,000 sentence
/// pairs of Multi30k together, growing with the 0.4th power of the text (a little below the growth
/// of distinct words, Heaps' law), 32,000 at most, and never more than 0.7 of the distinct words.
int suggest_vocabulary_size(size_t words, size_t distinct_words);

/// Trains on `sentences` (at most kMaxTrainingBytes of text: memory grows with about 25 bytes for
/// each). Throws kConfig when the text does not have so many pieces, naming the largest possible
/// size; a size that was chosen here is lowered instead. Independent of the machine's number of
/// cores.
TrainedTokenizer train_tokenizer(const std::vector<std::string>& sentences,
                                 const TokenizerOptions& options);

inline constexpr size_t kMaxTrainingBytes = 30'000'000;

}  // namespace hat::data
