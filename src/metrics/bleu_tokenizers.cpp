#include "metrics/bleu_tokenizers.h"

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/base/unicode.h"

namespace hat::metrics {
namespace {

bool is_digit(char32_t c) { return c >= '0' && c <= '9'; }
bool is_stop(char32_t c) { return c == '.' || c == ','; }

// ASCII symbols other than apostrophe, comma, hyphen and full stop; the space is one of them in the
// original script, which changes nothing.
bool is_separate(char32_t c) {
  return (c >= ' ' && c <= '&') || (c >= '(' && c <= '+') || c == '/' || (c >= ':' && c <= '@') ||
         (c >= '[' && c <= '`') || (c >= '{' && c <= '~');
}

void replace_all(std::u32string& text, std::u32string_view from, std::u32string_view to) {
  for (size_t i = text.find(from); i != std::u32string::npos; i = text.find(from, i + to.size())) {
    text.replace(i, from.size(), to);
  }
}

template <class Matches>
std::u32string surround(std::u32string_view text, Matches matches) {
  std::u32string out;
  out.reserve(2 * text.size());
  for (char32_t c : text) {
    if (matches(c)) {
      out += U' ';
      out += c;
      out += U' ';
    } else {
      out += c;
    }
  }
  return out;
}

enum class Spaces { kAroundSecond, kAroundFirst };

// Substitutes every pair (first, second), left to right without overlap: "a b " or " a b".
template <class First, class Second>
std::u32string split_pairs(std::u32string_view text, First first, Second second, Spaces spaces) {
  std::u32string out;
  out.reserve(2 * text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (i + 1 < text.size() && first(text[i]) && second(text[i + 1])) {
      if (spaces == Spaces::kAroundFirst) out += U' ';
      out += text[i];
      out += U' ';
      out += text[i + 1];
      if (spaces == Spaces::kAroundSecond) out += U' ';
      ++i;
    } else {
      out += text[i];
    }
  }
  return out;
}

// mteval-v13a.pl
std::u32string tokenize_13a(std::u32string text) {
  replace_all(text, U"<skipped>", U"");
  replace_all(text, U"-\n", U"");
  replace_all(text, U"\n", U" ");
  replace_all(text, U"&quot;", U"\"");
  replace_all(text, U"&amp;", U"&");
  replace_all(text, U"&lt;", U"<");
  replace_all(text, U"&gt;", U">");
  text = U" " + text + U" ";
  const auto not_digit = [](char32_t c) { return !is_digit(c); };
  const auto hyphen = [](char32_t c) { return c == '-'; };
  text = surround(text, is_separate);
  text = split_pairs(text, not_digit, is_stop, Spaces::kAroundSecond);
  text = split_pairs(text, is_stop, not_digit, Spaces::kAroundFirst);
  return split_pairs(text, is_digit, hyphen, Spaces::kAroundSecond);
}

// mteval-v14.pl: punctuation unless between digits, and every symbol, stand alone.
std::u32string tokenize_intl(std::u32string_view text) {
  const auto not_number = [](char32_t c) { return !is_number(c); };
  std::u32string out = split_pairs(text, not_number, is_punctuation, Spaces::kAroundSecond);
  out = split_pairs(out, is_punctuation, not_number, Spaces::kAroundFirst);
  return surround(out, is_symbol);
}

}  // namespace

const std::vector<std::string>& bleu_tokenizer_names() {
  static const std::vector<std::string> names = {"13a", "intl", "char", "none"};
  return names;
}

std::vector<std::u32string> bleu_words(std::u32string_view text, const std::string& tokenize) {
  const std::u32string_view line = strip_right(text);
  if (tokenize == "13a") return split_white_space(tokenize_13a(std::u32string(line)));
  if (tokenize == "intl") return split_white_space(tokenize_intl(line));
  if (tokenize == "none") return split_white_space(line);
  HAT_CHECK(tokenize == "char", ErrorKind::kUsage,
            str("unknown BLEU tokenizer '", tokenize, "'.",
                did_you_mean(tokenize, bleu_tokenizer_names())),
            "Known are 13a, intl, char and none.");
  std::vector<std::u32string> characters;
  for (char32_t c : line) {
    if (!is_white_space(c)) characters.emplace_back(1, c);
  }
  return characters;
}

}  // namespace hat::metrics
