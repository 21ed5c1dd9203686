#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hat {

/// Code points of UTF-8 text; a byte that belongs to no valid sequence becomes U+FFFD.
std::u32string decode_utf8(std::string_view text);
/// Reads one code point at `*position` and moves behind it (U+FFFD and one byte when invalid).
char32_t next_code_point(std::string_view text, size_t* position);
void append_utf8(std::string& text, char32_t code);
std::string encode_utf8(std::u32string_view codes);

/// General categories P, S and N.
bool is_punctuation(char32_t code);
bool is_symbol(char32_t code);
bool is_number(char32_t code);
/// White space as Python's str.split() and str.rstrip() see it.
bool is_white_space(char32_t code);
/// The simple lower case of one code point.
char32_t to_lower(char32_t code);
/// Lower case of a text as Python's str.lower(): also U+0130 (two code points) and the final sigma.
std::u32string to_lower(std::u32string_view text);

/// The text without white space at its end.
std::u32string_view strip_right(std::u32string_view text);
/// Pieces between runs of white space.
std::vector<std::u32string> split_white_space(std::u32string_view text);

}  // namespace hat
