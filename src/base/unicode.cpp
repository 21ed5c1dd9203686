#include "hat/base/unicode.h"

#include <algorithm>
#include <iterator>

#include "base/unicode_tables.h"

namespace hat {
namespace {

constexpr char32_t kReplacement = 0xFFFD;
constexpr char32_t kCapitalSigma = 0x3A3;
constexpr char32_t kFinalSigma = 0x3C2;

template <class Row, size_t n>
const Row* find_row(const Row (&table)[n], char32_t code) {
  const Row* row = std::upper_bound(std::begin(table), std::end(table), code,
                                    [](char32_t c, const Row& r) { return c < r.first; });
  if (row == std::begin(table)) return nullptr;
  --row;
  return code <= row->last ? row : nullptr;
}

bool is_combining(char32_t code) { return code >= 0x300 && code <= 0x36F; }

bool is_cased(char32_t code) {
  if (to_lower(code) != code) return true;
  // A small letter is the image of a capital; the runs are few enough to look through.
  return std::any_of(std::begin(kLowerCase), std::end(kLowerCase), [&](const CaseRun& run) {
    const int64_t capital = static_cast<int64_t>(code) - run.delta;
    return capital >= run.first && capital <= run.last && (capital - run.first) % run.step == 0;
  });
}

// Unicode 3.13, Final_Sigma, with marks and apostrophes as the characters that are looked past.
bool sigma_is_final(std::u32string_view text, size_t at) {
  const auto skipped = [](char32_t c) {
    return is_combining(c) || c == '\'' || c == 0x2019 || c == 0xAD || c == '.' || c == ':';
  };
  size_t before = at;
  while (before > 0 && skipped(text[before - 1])) --before;
  size_t after = at + 1;
  while (after < text.size() && skipped(text[after])) ++after;
  return before > 0 && is_cased(text[before - 1]) &&
         !(after < text.size() && is_cased(text[after]));
}

}  // namespace

char32_t next_code_point(std::string_view text, size_t* position) {
  const auto byte = [&](size_t i) -> uint32_t {
    return i < text.size() ? static_cast<uint8_t>(text[i]) : 0;
  };
  const size_t i = *position;
  const uint32_t first = byte(i);
  const auto tail = [&](size_t k) { return (byte(i + k) & 0xC0) == 0x80; };
  const auto bits = [&](size_t k) { return byte(i + k) & 0x3F; };
  *position = i + 1;
  if (first < 0x80) return first;
  if (first >= 0xC2 && first < 0xE0 && tail(1)) {
    *position = i + 2;
    return (first & 0x1F) << 6 | bits(1);
  }
  if (first >= 0xE0 && first < 0xF0 && tail(1) && tail(2)) {
    const char32_t code = (first & 0x0F) << 12 | bits(1) << 6 | bits(2);
    if (code < 0x800 || (code >= 0xD800 && code < 0xE000)) return kReplacement;
    *position = i + 3;
    return code;
  }
  if (first >= 0xF0 && first < 0xF5 && tail(1) && tail(2) && tail(3)) {
    const char32_t code = (first & 0x07) << 18 | bits(1) << 12 | bits(2) << 6 | bits(3);
    if (code < 0x10000 || code > 0x10FFFF) return kReplacement;
    *position = i + 4;
    return code;
  }
  return kReplacement;
}

std::u32string decode_utf8(std::string_view text) {
  std::u32string codes;
  codes.reserve(text.size());
  for (size_t i = 0; i < text.size();) codes.push_back(next_code_point(text, &i));
  return codes;
}

void append_utf8(std::string& text, char32_t code) {
  if (code < 0x80) {
    text += static_cast<char>(code);
  } else if (code < 0x800) {
    text += static_cast<char>(0xC0 | code >> 6);
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else if (code < 0x10000) {
    text += static_cast<char>(0xE0 | code >> 12);
    text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  } else {
    text += static_cast<char>(0xF0 | code >> 18);
    text += static_cast<char>(0x80 | (code >> 12 & 0x3F));
    text += static_cast<char>(0x80 | (code >> 6 & 0x3F));
    text += static_cast<char>(0x80 | (code & 0x3F));
  }
}

std::string encode_utf8(std::u32string_view codes) {
  std::string text;
  text.reserve(codes.size());
  for (char32_t code : codes) append_utf8(text, code);
  return text;
}

bool is_punctuation(char32_t code) { return find_row(kPunctuation, code) != nullptr; }
bool is_symbol(char32_t code) { return find_row(kSymbols, code) != nullptr; }
bool is_number(char32_t code) { return find_row(kNumbers, code) != nullptr; }

bool is_white_space(char32_t c) {
  return (c >= 0x09 && c <= 0x0D) || (c >= 0x1C && c <= 0x20) || c == 0x85 || c == 0xA0 ||
         c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
         c == 0x205F || c == 0x3000;
}

char32_t to_lower(char32_t code) {
  const CaseRun* run = find_row(kLowerCase, code);
  if (run == nullptr || (code - run->first) % run->step != 0) return code;
  return static_cast<char32_t>(static_cast<int32_t>(code) + run->delta);
}

std::u32string to_lower(std::u32string_view text) {
  std::u32string lower;
  lower.reserve(text.size());
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == 0x130) {
      lower += U"i\u0307";
    } else if (text[i] == kCapitalSigma && sigma_is_final(text, i)) {
      lower += kFinalSigma;
    } else {
      lower += to_lower(text[i]);
    }
  }
  return lower;
}

std::u32string_view strip_right(std::u32string_view text) {
  while (!text.empty() && is_white_space(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::u32string> split_white_space(std::u32string_view text) {
  std::vector<std::u32string> words;
  size_t i = 0;
  while (i < text.size()) {
    while (i < text.size() && is_white_space(text[i])) ++i;
    const size_t begin = i;
    while (i < text.size() && !is_white_space(text[i])) ++i;
    if (i > begin) words.emplace_back(text.substr(begin, i - begin));
  }
  return words;
}

}  // namespace hat
