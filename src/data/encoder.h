#pragma once

#include <optional>
#include <string>
#include <vector>

#include "hat/data/prepare.h"
#include "hat/data/token_dataset.h"
#include "hat/text/piece_tokenizer.h"

namespace hat::data {

/// Turns the text of one split into a binary corpus, cleaning on the way.
class SplitEncoder {
 public:
  struct Rules {
    size_t max_tokens = 256;
    double max_ratio = 4.0;
    /// Lines that break a rule are cut to the limit instead of left out: results must keep their
    /// lines.
    bool keep_every_line = false;
    bool check_ratio = true;
  };

  SplitEncoder(std::string name, const fs::path& folder, const Rules& rules,
               text::PieceTokenizer source, text::PieceTokenizer target);
  /// For labelled text.
  SplitEncoder(std::string name, const fs::path& folder, const Rules& rules,
               text::PieceTokenizer source, int classes);

  void add_pair(std::string_view source, std::string_view target);
  void add_labelled(std::string_view text, int label);
  /// Writes the corpus; throws kData when no sentence was kept.
  PreparedSplit finish();

 private:
  std::vector<int> encode(const text::PieceTokenizer& tokenizer, std::string_view text);
  bool within_limit(std::vector<int>& ids);

  Rules rules_;
  text::PieceTokenizer source_;
  std::optional<text::PieceTokenizer> target_;
  PreparedSplit report_;
  TokenDatasetWriter writer_;
};

}  // namespace hat::data
