#include "data/demo_grammar.h"

#include "data/demo_lexicon.h"
#include "hat/base/unicode.h"

namespace hat::data {
namespace {

enum class Case { kNominative, kAccusative, kDative };

// A phrase in both languages.
struct Phrase {
  std::string german;
  std::string english;
};

// A noun phrase or pronoun that verbs agree with.
struct Subject {
  Phrase phrase;
  bool plural = false;
  bool first_person = false;
};

void add(std::string& text, std::string_view words) {
  if (words.empty()) return;
  if (!text.empty()) text += ' ';
  text += words;
}

std::string joined(std::initializer_list<std::string_view> parts) {
  std::string text;
  for (std::string_view part : parts) add(text, part);
  return text;
}

// Declension. Rows: masculine, feminine, neuter, plural; columns: nominative, accusative, dative.
using Endings = const char* const[4][3];
constexpr Endings kStrongArticle = {
    {"er", "en", "em"}, {"e", "e", "er"}, {"es", "es", "em"}, {"e", "e", "en"}};
constexpr Endings kEinArticle = {
    {"", "en", "em"}, {"e", "e", "er"}, {"", "", "em"}, {"e", "e", "en"}};
constexpr Endings kDefinite = {
    {"der", "den", "dem"}, {"die", "die", "der"}, {"das", "das", "dem"}, {"die", "die", "den"}};
constexpr Endings kAfterDefinite = {
    {"e", "en", "en"}, {"e", "e", "en"}, {"e", "e", "en"}, {"en", "en", "en"}};
constexpr Endings kAfterEin = {
    {"er", "en", "en"}, {"e", "e", "en"}, {"es", "es", "en"}, {"en", "en", "en"}};
constexpr const char* kBarePlural[3] = {"e", "e", "en"};

size_t row_of(Gender gender, bool plural) { return plural ? 3 : static_cast<size_t>(gender); }

bool starts_with_vowel(std::string_view word) {
  return std::string_view("aeiou").find(word.front()) != std::string_view::npos;
}

std::string lower_first(std::string_view word) {
  size_t length = 0;
  std::string text;
  append_utf8(text, to_lower(next_code_point(word, &length)));
  return text.append(word.substr(length));
}

/// Builds one sentence; every choice comes from the generator.
class SentenceBuilder {
 public:
  explicit SentenceBuilder(Rng& rng) : rng_(rng) {}

  SentencePair sentence() {
    Phrase p;
    bool question = false;
    switch (rng_.below(12)) {
      case 0:
      case 1:
        p = predicative();
        break;
      case 2:
        p = question_clause();
        question = true;
        break;
      case 3:
        p = reported();
        break;
      case 4:
        p = with_side_clause();
        break;
      case 5:
      case 6:
        p = modal_clause();
        break;
      case 7:
        p = perfect_clause();
        break;
      case 8:
        p = inverted();
        break;
      case 9:
        p = negated();
        break;
      default:
        p = main_clause();
    }
    return {finish(p.german, question), finish(p.english, question)};
  }

 private:
  // --- words -----------------------------------------------------------------------------------

  struct DeclinedNoun {
    std::string german;
    std::string english;
    Gender gender;
  };

  DeclinedNoun decline(const Noun& noun, bool plural, Case c) {
    DeclinedNoun d{std::string(plural ? noun.german_plural : noun.german),
                   std::string(plural ? noun.english_plural : noun.english), noun.gender};
    // The dative plural ends in n, unless it does already or the plural is in s.
    if (plural && c == Case::kDative && d.german.back() != 'n' && d.german.back() != 's') {
      d.german += 'n';
    }
    return d;
  }

  // Things may be compounds: "Gartentür", "garden door".
  void maybe_compound(const Noun& head, DeclinedNoun& d) {
    if (!rng_.chance(0.25)) return;
    const Noun& first = rng_.choose(things());
    if (first.linking.empty() || &first == &head) return;
    d.german = std::string(first.linking) + lower_first(d.german);
    d.english = joined({first.english, d.english});
  }

  Phrase noun_phrase(const Noun& noun, bool is_thing, bool plural, Case c) {
    DeclinedNoun d = decline(noun, plural, c);
    if (is_thing) maybe_compound(noun, d);
    const size_t row = row_of(d.gender, plural);
    const size_t column = static_cast<size_t>(c);
    std::string article;
    std::string english_article;
    const char* ending = "";
    const auto take = [&](const std::string& german, const char* english, Endings& adjective) {
      article = german;
      english_article = english;
      ending = adjective[row][column];
    };
    const uint64_t kind = rng_.below(10);
    if (kind < 4) {
      take(kDefinite[row][column], "the", kAfterDefinite);
    } else if (kind < 5) {
      take(std::string("dies") + kStrongArticle[row][column], plural ? "these" : "this",
           kAfterDefinite);
    } else if (kind < 6) {
      take(std::string("mein") + kEinArticle[row][column], "my", kAfterEin);
    } else if (kind < 7) {
      // "unser" drops no letter here: unserer, unseren
      take(std::string("unser") + kEinArticle[row][column], "our", kAfterEin);
    } else if (plural) {
      ending = kBarePlural[column];
      if (rng_.chance(0.6)) {
        const WordPair& number = rng_.choose(numerals());
        article = number.german;
        english_article = number.english;
      }
    } else {
      take(std::string("ein") + kEinArticle[row][column], "a", kAfterEin);
    }
    Phrase p;
    add(p.german, article);
    std::string english;
    if (rng_.chance(0.35)) {
      const WordPair& adjective = rng_.choose(adjectives());
      add(p.german, std::string(adjective.german) + ending);
      add(english, adjective.english);
    }
    add(p.german, d.german);
    add(english, d.english);
    if (english_article == "a" && starts_with_vowel(english)) english_article = "an";
    add(p.english, english_article);
    add(p.english, english);
    return p;
  }

  Phrase object() {
    const bool thing = rng_.chance(0.75);
    return noun_phrase(rng_.choose(thing ? things() : persons()), thing, rng_.chance(0.3),
                       Case::kAccusative);
  }

  Phrase prepositional() {
    const WordPair& preposition = rng_.choose(prepositions());
    const Phrase noun = noun_phrase(rng_.choose(things()), true, rng_.chance(0.2), Case::kDative);
    Phrase p{joined({preposition.german, noun.german}),
             joined({preposition.english, noun.english})};
    if (p.german.starts_with("in dem ")) p.german = "im " + p.german.substr(7);
    return p;
  }

  Subject subject(bool may_have_clause = true) {
    Subject s;
    if (rng_.chance(0.25)) {
      static const std::vector<Subject> pronouns = {{{"ich", "I"}, false, true},
                                                    {{"er", "he"}, false, false},
                                                    {{"sie", "she"}, false, false},
                                                    {{"wir", "we"}, true, false},
                                                    {{"sie", "they"}, true, false}};
      return rng_.choose(pronouns);
    }
    const Noun& noun = rng_.choose(persons());
    s.plural = rng_.chance(0.3);
    s.phrase = noun_phrase(noun, false, s.plural, Case::kNominative);
    if (may_have_clause && rng_.chance(0.1)) add_relative_clause(noun, s);
    return s;
  }

  // "der Mann, der den Hund sieht," / "the man who sees the dog"
  void add_relative_clause(const Noun& noun, Subject& s) {
    const Verb& verb = rng_.choose(transitive_verbs());
    const Phrase what = object();
    s.phrase.german +=
        ", " +
        joined({kDefinite[row_of(noun.gender, s.plural)][0], what.german, joined_finite(verb, s)}) +
        ",";
    s.phrase.english += " " + joined({"who", english_finite(verb, s), what.english});
  }

  // --- verb forms ------------------------------------------------------------------------------

  static std::string german_finite(const Verb& verb, const Subject& s) {
    if (s.plural) return std::string(verb.infinitive);
    if (s.first_person) {
      return std::string(verb.infinitive.substr(0, verb.infinitive.size() - 1));
    }
    return std::string(verb.third);
  }
  // At the end of a clause a separable prefix is joined to its verb again: "aufmacht".
  static std::string joined_finite(const Verb& verb, const Subject& s) {
    return std::string(verb.prefix) + german_finite(verb, s);
  }
  static std::string infinitive(const Verb& verb) {
    return std::string(verb.prefix) + std::string(verb.infinitive);
  }
  static std::string_view english_finite(const Verb& verb, const Subject& s) {
    return s.plural || s.first_person ? verb.english : verb.english_third;
  }

  // --- clauses ---------------------------------------------------------------------------------

  // What follows the verb: German puts place before object, English after it.
  struct Predicate {
    const Verb* verb;
    Phrase object;
    Phrase place;
  };

  Predicate predicate() {
    Predicate p{};
    if (rng_.chance(0.75)) {
      p.verb = &rng_.choose(transitive_verbs());
      p.object = object();
      if (rng_.chance(0.25)) p.place = prepositional();
    } else {
      p.verb = &rng_.choose(intransitive_verbs());
      if (rng_.chance(0.6)) p.place = prepositional();
    }
    return p;
  }

  Phrase main_clause() {
    const Subject s = subject();
    const Predicate p = predicate();
    WordPair often{};
    if (rng_.chance(0.3)) often = rng_.choose(frequency_adverbs());
    return {joined({s.phrase.german, german_finite(*p.verb, s), often.german, p.place.german,
                    p.object.german, p.verb->prefix}),
            joined({s.phrase.english, often.english, english_finite(*p.verb, s), p.object.english,
                    p.place.english})};
  }

  // "Heute kauft der Mann den Apfel." / "Today the man buys the apple."
  Phrase inverted() {
    const Subject s = subject();
    const Predicate p = predicate();
    const WordPair& time = rng_.choose(time_adverbs());
    return {joined({time.german, german_finite(*p.verb, s), s.phrase.german, p.place.german,
                    p.object.german, p.verb->prefix}),
            joined({time.english, s.phrase.english, english_finite(*p.verb, s), p.object.english,
                    p.place.english})};
  }

  Phrase modal_clause() {
    const Subject s = subject();
    const Predicate p = predicate();
    const Modal& modal = rng_.choose(modals());
    return {
        joined({s.phrase.german, s.plural ? modal.plural : modal.singular, p.place.german,
                p.object.german, infinitive(*p.verb)}),
        joined({s.phrase.english, s.plural || s.first_person ? modal.english : modal.english_third,
                p.verb->english, p.object.english, p.place.english})};
  }

  // The German perfect is the English past.
  Phrase perfect_clause() {
    const Subject s = subject();
    const Predicate p = predicate();
    const char* have = s.plural ? "haben" : s.first_person ? "habe" : "hat";
    return {joined({s.phrase.german, have, p.place.german, p.object.german, p.verb->participle}),
            joined({s.phrase.english, p.verb->english_past, p.object.english, p.place.english})};
  }

  Phrase negated() {
    const Subject s = subject();
    const Verb& verb = rng_.choose(intransitive_verbs());
    const bool with_time = rng_.chance(0.5);
    const WordPair time = with_time ? rng_.choose(time_adverbs()) : WordPair{};
    const char* not_ = s.plural || s.first_person ? "do not" : "does not";
    return {joined({s.phrase.german, german_finite(verb, s), time.german, "nicht", verb.prefix}),
            joined({s.phrase.english, not_, verb.english, time.english})};
  }

  Phrase question_clause() {
    const Subject s = subject(false);
    const Predicate p = predicate();
    return {joined({german_finite(*p.verb, s), s.phrase.german, p.place.german, p.object.german,
                    p.verb->prefix}),
            joined({s.plural || s.first_person ? "do" : "does", s.phrase.english, p.verb->english,
                    p.object.english, p.place.english})};
  }

  Phrase predicative() {
    const bool plural = rng_.chance(0.3);
    const bool thing = rng_.chance(0.6);
    const bool past = rng_.chance(0.4);
    const Phrase noun =
        noun_phrase(rng_.choose(thing ? things() : persons()), thing, plural, Case::kNominative);
    const WordPair& adjective = rng_.choose(adjectives());
    const char* german = past ? (plural ? "waren" : "war") : (plural ? "sind" : "ist");
    const char* english = past ? (plural ? "were" : "was") : (plural ? "are" : "is");
    return {joined({noun.german, german, adjective.german}),
            joined({noun.english, english, adjective.english})};
  }

  // Verb at the end: "der Mann mit dem Hund den Apfel kauft".
  Phrase side_clause() {
    const Subject s = subject(false);
    const Predicate p = predicate();
    return {
        joined({s.phrase.german, p.place.german, p.object.german, joined_finite(*p.verb, s)}),
        joined({s.phrase.english, english_finite(*p.verb, s), p.object.english, p.place.english})};
  }

  Phrase reported() {
    const Subject s = subject(false);
    const Verb& verb = rng_.choose(clause_verbs());
    const Phrase clause = side_clause();
    return {joined({s.phrase.german, german_finite(verb, s)}) + ", dass " + clause.german,
            joined({s.phrase.english, english_finite(verb, s), "that", clause.english})};
  }

  Phrase with_side_clause() {
    const Subject s = subject(false);
    const Verb& verb = rng_.choose(intransitive_verbs());
    const WordPair& conjunction = rng_.choose(conjunctions());
    const Phrase clause = side_clause();
    return {
        joined({s.phrase.german, german_finite(verb, s), verb.prefix}) + ", " +
            joined({conjunction.german, clause.german}),
        joined({s.phrase.english, english_finite(verb, s), conjunction.english, clause.english})};
  }

  // A capital at the start and a mark at the end; the comma of a relative clause yields to it.
  static std::string finish(std::string text, bool question) {
    if (text.back() == ',') text.pop_back();
    size_t length = 0;
    const char32_t first = next_code_point(text, &length);
    std::string capital;
    static constexpr std::pair<char32_t, char32_t> kUmlauts[] = {
        {0xE4, 0xC4}, {0xF6, 0xD6}, {0xFC, 0xDC}};
    char32_t upper = first >= 'a' && first <= 'z' ? first - 32 : first;
    for (auto [small, large] : kUmlauts) upper = first == small ? large : upper;
    append_utf8(capital, upper);
    return capital + text.substr(length) + (question ? "?" : ".");
  }

  Rng& rng_;
};

}  // namespace

SentencePair demo_sentence(Rng& rng) { return SentenceBuilder(rng).sentence(); }

}  // namespace hat::data
