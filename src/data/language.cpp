#include "hat/data/language.h"

#include <algorithm>
#include <array>
#include <vector>

#include "hat/base/strings.h"

namespace hat::data {
namespace {

struct Language {
  std::string_view code;
  std::string_view name;
  std::string_view function_words;
};

constexpr std::array<Language, 18> kLanguages = {{
    {"cs", "Czech", "a se na je že to s v do jsem"},
    {"da", "Danish", "og det at er ikke til jeg på af"},
    {"de", "German", "der die und das ist nicht ein eine ich zu den mit sie wir dem"},
    {"en", "English", "the of and to is that it was a you he they"},
    {"es", "Spanish", "el los que y las un una por con no está"},
    {"fi", "Finnish", "ja on ei se että hän oli mutta"},
    {"fr", "French", "le la les et des est un une que dans pas je"},
    {"hu", "Hungarian", "a az és hogy nem egy van"},
    {"it", "Italian", "il che di e un una per non sono è gli"},
    {"ja", "Japanese", ""},
    {"nl", "Dutch", "het een de en van ik niet is dat zijn"},
    {"pl", "Polish", "i w na nie się że to z do jest"},
    {"pt", "Portuguese", "o que não uma os para com um em é"},
    {"ro", "Romanian", "și în nu este un o cu să la"},
    {"ru", "Russian", "и в не на я что он с это"},
    {"sv", "Swedish", "och att det som är en jag inte på"},
    {"tr", "Turkish", "bir ve bu için çok ben ne"},
    {"zh", "Chinese", ""},
}};

// Which languages a word is a function word of.
const std::unordered_map<std::string, std::vector<std::string>>& word_languages() {
  static const auto table = [] {
    std::unordered_map<std::string, std::vector<std::string>> words;
    for (const Language& language : kLanguages) {
      for (const std::string& word : split_words(language.function_words)) {
        words[word].emplace_back(language.code);
      }
    }
    return words;
  }();
  return table;
}

}  // namespace

std::string language_name(const std::string& code) {
  for (const Language& language : kLanguages) {
    if (language.code == code) return std::string(language.name);
  }
  return code;
}

void LanguageGuess::add(std::string_view sentence) {
  for (const std::string& word : split_words(sentence)) {
    ++words_;
    const auto found = word_languages().find(to_lower_ascii(word));
    if (found == word_languages().end()) continue;
    for (const std::string& code : found->second) ++hits_[code];
  }
}

std::string LanguageGuess::code() const {
  std::string best;
  uint64_t most = 0;
  uint64_t second = 0;
  for (const auto& [code, hits] : hits_) {
    if (hits > most) {
      second = most;
      most = hits;
      best = code;
    } else {
      second = std::max(second, hits);
    }
  }
  // A tenth of running words, and clearly ahead of the next.
  constexpr uint64_t kEnoughWords = 100;
  const bool clear = words_ >= kEnoughWords && 10 * most >= words_ && 2 * most >= 3 * second;
  return clear ? best : "";
}

}  // namespace hat::data
