#include "hat/base/strings.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>

namespace hat {

namespace {

// A name longer than this is not a typing slip, and the distance costs the product of the lengths.
constexpr size_t kLongestComparedName = 128;
constexpr size_t kMostSlips = 4;

// Capitals and dashes are the commonest slips of all and cost nothing.
std::string folded_name(std::string_view name) {
  std::string folded = to_lower_ascii(name);
  std::replace(folded.begin(), folded.end(), '-', '_');
  return folded;
}

// Edit distance in which two swapped neighbours count once (optimal string alignment).
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> before_last(b.size() + 1);
  std::vector<size_t> last(b.size() + 1);
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    before_last.swap(last);
    last.swap(row);
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t substitution = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      row[j] = std::min({last[j] + 1, row[j - 1] + 1, substitution});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        row[j] = std::min(row[j], before_last[j - 2] + 1);
      }
    }
  }
  return row[b.size()];
}

// Three significant digits for values below 1000: 1.53, 25.2, 950.
std::string three_digits(double value) {
  if (value < 9.995) return fixed(value, 2);
  if (value < 99.95) return fixed(value, 1);
  return fixed(value, 0);
}

// The value in the largest unit that leaves it at 1 or more after rounding.
std::string with_unit(double value, const std::vector<std::string_view>& units) {
  if (!std::isfinite(value)) return "unknown";
  if (value < 0) return "-" + with_unit(-value, units);
  size_t unit = 0;
  while (unit + 1 < units.size() && value >= 999.5) {
    value /= 1000;
    ++unit;
  }
  const bool whole = unit == 0 && value == std::floor(value);
  std::string text = whole ? fixed(value, 0) : three_digits(value);
  if (!units[unit].empty()) text.append(" ").append(units[unit]);
  return text;
}

}  // namespace

std::vector<std::string> split(std::string_view text, char separator) {
  std::vector<std::string> parts;
  size_t begin = 0;
  for (size_t end = text.find(separator); end != std::string_view::npos;
       end = text.find(separator, begin)) {
    parts.emplace_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  parts.emplace_back(text.substr(begin));
  return parts;
}

std::vector<std::string> split_words(std::string_view text) {
  std::vector<std::string> words;
  size_t begin = text.find_first_not_of(" \t");
  while (begin != std::string_view::npos) {
    const size_t end = std::min(text.find_first_of(" \t", begin), text.size());
    words.emplace_back(text.substr(begin, end - begin));
    begin = text.find_first_not_of(" \t", end);
  }
  return words;
}

std::string_view trim(std::string_view text) {
  constexpr std::string_view kSpaces = " \t\r\n\v\f";
  const size_t begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) return {};
  return text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

std::string join(const std::vector<std::string>& parts, std::string_view separator) {
  std::string joined;
  for (size_t i = 0; i < parts.size(); ++i) {
    if (i > 0) joined += separator;
    joined += parts[i];
  }
  return joined;
}

std::string to_lower_ascii(std::string_view text) {
  std::string lower(text);
  for (char& c : lower) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return lower;
}

std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates) {
  if (name.empty() || name.size() > kLongestComparedName) return "";
  const std::string wanted = folded_name(name);
  const std::string* nearest = nullptr;
  size_t nearest_distance = kMostSlips + 1;
  for (const std::string& candidate : candidates) {
    if (candidate.size() > kLongestComparedName) continue;
    // One slip in three characters: 'lr' has one near name, not every name of two letters.
    const size_t longer = std::max(candidate.size(), name.size());
    const size_t limit = std::clamp<size_t>(longer / 3, 1, kMostSlips);
    const size_t distance = edit_distance(wanted, folded_name(candidate));
    const bool shares_something = distance < std::min(candidate.size(), name.size());
    if (distance <= limit && shares_something && distance < nearest_distance) {
      nearest = &candidate;
      nearest_distance = distance;
    }
  }
  return nearest == nullptr ? "" : *nearest;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates) {
  const std::string nearest = nearest_name(name, candidates);
  return nearest.empty() ? "" : str(" Did you mean '", nearest, "'?");
}

std::string fixed(double value, int digits) {
  constexpr int kMostDigits = 60;
  std::array<char, 400> buffer;  // the largest double has 309 digits before the point
  const auto result = std::to_chars(buffer.data(), buffer.data() + buffer.size(), value,
                                    std::chars_format::fixed, std::clamp(digits, 0, kMostDigits));
  std::string text(buffer.data(), result.ptr);
  const bool rounded_to_zero =
      text.starts_with('-') && text.find_first_not_of("-0.") == std::string::npos;
  return rounded_to_zero ? text.substr(1) : text;
}

std::string with_commas(uint64_t value) {
  std::string digits = std::to_string(value);
  for (size_t end = digits.size(); end > 3; end -= 3) digits.insert(end - 3, ",");
  return digits;
}

std::string format_duration_ms(double ms) {
  if (!std::isfinite(ms)) return "unknown";
  if (ms < 0) return "-" + format_duration_ms(-ms);
  if (ms == 0) return "0 ms";
  if (ms < 0.9995) return three_digits(ms * 1000) + " us";
  if (ms < 999.5) return three_digits(ms) + " ms";
  if (ms < 59'950) return fixed(ms / 1000, 1) + " s";
  const double seconds = std::round(ms / 1000);
  const double minutes = std::floor(seconds / 60);
  if (minutes < 60) return str(fixed(minutes, 0), " min ", fixed(seconds - 60 * minutes, 0), " s");
  const double all_minutes = std::round(seconds / 60);
  const double hours = std::floor(all_minutes / 60);
  return str(fixed(hours, 0), " h ", fixed(all_minutes - 60 * hours, 0), " min");
}

std::string format_bytes(double bytes) {
  return with_unit(bytes, {"B", "KB", "MB", "GB", "TB", "PB"});
}

std::string format_count(double value) { return with_unit(value, {"", "k", "M", "G", "T", "P"}); }

size_t find_invalid_utf8(std::string_view text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  size_t i = 0;
  while (i < text.size()) {
    const unsigned lead = byte(i);
    if (lead < 0x80) {
      ++i;
      continue;
    }
    // The second byte's range excludes overlong forms, surrogates and what is above U+10FFFF
    // (The Unicode Standard, table 3-7); 0x80 and 0xC1 never lead.
    size_t length = 0;
    unsigned lowest = 0x80;
    unsigned highest = 0xBF;
    if (lead >= 0xC2 && lead <= 0xDF) {
      length = 2;
    } else if (lead >= 0xE0 && lead <= 0xEF) {
      length = 3;
      if (lead == 0xE0) lowest = 0xA0;
      if (lead == 0xED) highest = 0x9F;
    } else if (lead >= 0xF0 && lead <= 0xF4) {
      length = 4;
      if (lead == 0xF0) lowest = 0x90;
      if (lead == 0xF4) highest = 0x8F;
    } else {
      return i;
    }
    if (text.size() - i < length) return i;
    if (byte(i + 1) < lowest || byte(i + 1) > highest) return i;
    for (size_t k = 2; k < length; ++k) {
      if ((byte(i + k) & 0xC0) != 0x80) return i;
    }
    i += length;
  }
  return std::string_view::npos;
}

bool parse_int(std::string_view text, int64_t* value) {
  int64_t parsed = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, parsed);
  if (result.ec != std::errc() || result.ptr != end) return false;
  *value = parsed;
  return true;
}

bool parse_double(std::string_view text, double* value) {
  double parsed = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, parsed);
  if (result.ec != std::errc() || result.ptr != end || !std::isfinite(parsed)) return false;
  *value = parsed;
  return true;
}

}  // namespace hat
