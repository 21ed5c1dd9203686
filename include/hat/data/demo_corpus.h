#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>

#include "hat/base/file.h"
#include "hat/base/rng.h"

/// A parallel corpus that the program makes itself, so that everything can be tried without data.
namespace hat::data {

struct SentencePair {
  std::string source;
  std::string target;
};

/// Sentences of a small German and their translations into a small English. What there is to learn:
/// about 150 stems; gender, case and number on articles and adjectives; verbs that agree with their
/// subject; verbs at the end of clauses and behind modals, separable prefixes, the adverb in front
/// of the English verb; relative clauses; compounds that are written as one word. A source
/// sentence has one translation only, so a perfect score is possible. Never repeats a source.
class DemoSentences {
 public:
  explicit DemoSentences(uint64_t seed) : rng_(seed, "demo corpus") {}
  SentencePair next();

 private:
  Rng rng_;
  std::unordered_set<uint64_t> seen_;
};

struct DemoSizes {
  int64_t train = 20'000;
  int64_t valid = 0;  ///< 0: a twentieth of train, 20 to 500
  int64_t test = 0;   ///< 0: the same
};

/// Writes train.de, train.en, valid.de, ... into `folder`; no sentence is in two of them. Equal
/// sizes and seed give equal files on every machine. Returns the sizes written.
DemoSizes write_demo_corpus(const fs::path& folder, const DemoSizes& sizes, uint64_t seed);

}  // namespace hat::data
