#pragma once

#include <string_view>

namespace hat::data {

/// Calls visit(word) for every piece of text between blanks and tabs.
template <class Visit>
void for_each_word(std::string_view text, Visit visit) {
  constexpr std::string_view kBlanks = " \t";
  size_t begin = text.find_first_not_of(kBlanks);
  while (begin != std::string_view::npos) {
    const size_t end = text.find_first_of(kBlanks, begin);
    visit(text.substr(begin, end == std::string_view::npos ? end : end - begin));
    begin = end == std::string_view::npos ? end : text.find_first_not_of(kBlanks, end);
  }
}

}  // namespace hat::data
