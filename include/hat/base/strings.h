#pragma once

#include <cstdint>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

namespace hat {

/// Joins anything that can be streamed: str("layer ", 3, " of ", n).
template <class... Parts>
std::string str(const Parts&... parts) {
  std::ostringstream out;
  (out << ... << parts);
  return out.str();
}

std::vector<std::string> split(std::string_view text, char separator);
/// Splits at runs of spaces and tabs, without empty pieces.
std::vector<std::string> split_words(std::string_view text);
std::string_view trim(std::string_view text);
std::string join(const std::vector<std::string>& parts, std::string_view separator);
std::string to_lower_ascii(std::string_view text);

/// The candidate with the smallest edit distance, or "" when none is near enough to be a typing
/// slip.
std::string nearest_name(std::string_view name, const std::vector<std::string>& candidates);
/// " Did you mean 'x'?" for a near candidate, else "".
std::string did_you_mean(std::string_view name, const std::vector<std::string>& candidates);

/// Fixed number of digits after the point: fixed(3.14159, 2) is "3.14".
std::string fixed(double value, int digits);
/// 1234567 is "1,234,567".
std::string with_commas(uint64_t value);
/// "850 us", "12.3 ms", "4.5 s", "3 min 20 s", "2 h 5 min".
std::string format_duration_ms(double ms);
/// "512 B", "61.4 MB" (powers of ten).
std::string format_bytes(double bytes);
/// "25.2 M", "1.53 G", "950".
std::string format_count(double value);

/// The byte offset of the first invalid UTF-8 sequence, or npos when the text is valid.
size_t find_invalid_utf8(std::string_view text);
inline bool is_valid_utf8(std::string_view text) {
  return find_invalid_utf8(text) == std::string_view::npos;
}

/// Parses the whole text as a number; false when any character is left over or it does not fit, and
/// for infinities and NaN, which no file or flag of ours means.
bool parse_int(std::string_view text, int64_t* value);
bool parse_double(std::string_view text, double* value);

}  // namespace hat
