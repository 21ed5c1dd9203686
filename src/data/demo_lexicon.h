#pragma once

#include <string_view>
#include <vector>

/// The words of the demo language pair: a small German and a small English. Tables only; the
/// grammar is in demo_grammar.cpp.
namespace hat::data {

enum class Gender { kMasculine, kFeminine, kNeuter };

struct Noun {
  std::string_view german;
  std::string_view german_plural;
  Gender gender;
  std::string_view english;
  std::string_view english_plural;
  std::string_view linking;  ///< as the first part of a compound ("Küchen-tisch"), or empty
};

struct Verb {
  std::string_view infinitive;  ///< without a separable prefix; also the plural form
  std::string_view third;       ///< er/sie/es
  std::string_view participle;  ///< whole
  std::string_view prefix;      ///< separable ("auf"), or empty
  std::string_view english;
  std::string_view english_third;
  std::string_view english_past;
};

struct Modal {
  std::string_view singular;  ///< ich and er/sie/es
  std::string_view plural;
  std::string_view english;
  std::string_view english_third;
};

struct WordPair {
  std::string_view german;
  std::string_view english;
};

const std::vector<Noun>& persons();
const std::vector<Noun>& things();
const std::vector<Verb>& transitive_verbs();
const std::vector<Verb>& intransitive_verbs();
/// Verbs of saying and thinking, which take a clause with "dass".
const std::vector<Verb>& clause_verbs();
const std::vector<Modal>& modals();
const std::vector<WordPair>& adjectives();
const std::vector<WordPair>& prepositions();       ///< all with the dative
const std::vector<WordPair>& time_adverbs();       ///< open a sentence, or end the English one
const std::vector<WordPair>& frequency_adverbs();  ///< after the German, before the English verb
const std::vector<WordPair>& conjunctions();       ///< with the verb at the end
const std::vector<WordPair>& numerals();

}  // namespace hat::data
