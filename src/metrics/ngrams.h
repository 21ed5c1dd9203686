#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::metrics {

/// n-grams of code points or of word numbers, with how often each occurs.
using NgramCounts = std::unordered_map<std::u32string, int64_t>;

inline NgramCounts count_ngrams(std::u32string_view items, size_t order) {
  NgramCounts counts;
  for (size_t i = 0; i + order <= items.size(); ++i)
    ++counts[std::u32string(items.substr(i, order))];
  return counts;
}

/// Gives every distinct word of a sentence and its references a number, so that an n-gram of words
/// is a short string of numbers.
class WordNumbers {
 public:
  std::u32string operator()(const std::vector<std::u32string>& words) {
    std::u32string numbers;
    numbers.reserve(words.size());
    for (const std::u32string& word : words) {
      numbers += numbers_.emplace(word, static_cast<char32_t>(numbers_.size())).first->second;
    }
    return numbers;
  }

 private:
  std::unordered_map<std::u32string, char32_t> numbers_;
};

inline void check_streams(const std::vector<std::string>& hypotheses,
                          const std::vector<std::vector<std::string>>& references) {
  HAT_CHECK(!references.empty(), ErrorKind::kUsage, "no reference to score against");
  HAT_CHECK(!hypotheses.empty(), ErrorKind::kData, "no sentence to score");
  for (const std::vector<std::string>& stream : references) {
    HAT_CHECK(
        stream.size() == hypotheses.size(), ErrorKind::kData,
        str("the hypotheses have ", hypotheses.size(), " lines, a reference has ", stream.size()),
        "Hypotheses and references must belong together line by line.");
  }
}

/// Sentence `i` of every reference stream.
inline std::vector<std::string> references_of(
    const std::vector<std::vector<std::string>>& references, size_t i) {
  std::vector<std::string> lines;
  lines.reserve(references.size());
  for (const std::vector<std::string>& stream : references) lines.push_back(stream[i]);
  return lines;
}

}  // namespace hat::metrics
