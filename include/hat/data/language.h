#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>

namespace hat::data {

/// "German" for "de"; the code itself when it is not a known one.
std::string language_name(const std::string& code);

/// Guesses the language of text from its most frequent function words: enough to notice that two
/// files were swapped, not to tell dialects apart.
class LanguageGuess {
 public:
  void add(std::string_view sentence);
  /// A code ("de"), or "" when nothing is clear or the language is not among the few known.
  std::string code() const;

 private:
  std::unordered_map<std::string, uint64_t> hits_;
  uint64_t words_ = 0;
};

}  // namespace hat::data
