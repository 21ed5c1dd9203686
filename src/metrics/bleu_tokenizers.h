#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace hat::metrics {

const std::vector<std::string>& bleu_tokenizer_names();

/// The words of one sentence; white space at its end does not count.
std::vector<std::u32string> bleu_words(std::u32string_view text, const std::string& tokenize);

}  // namespace hat::metrics
