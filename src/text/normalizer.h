#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "text/model_proto.h"
#include "text/piece_trie.h"

namespace hat::text {

/// SentencePiece's text normaliser: replaces prefixes by the longest rule of a precompiled table,
/// trims and joins blanks, and writes them as U+2581.
class Normalizer {
 public:
  /// Takes the table from `model.charsmap`. Throws kData naming `origin` when it is damaged.
  /// User-defined pieces in `protected_pieces` pass unchanged.
  Normalizer(const ModelProto& model, PieceTrie protected_pieces, const std::string& origin);

  std::string normalize(std::string_view text) const;

 private:
  struct Prefix {
    std::string_view replacement;
    size_t consumed;
  };
  Prefix normalize_prefix(std::string_view text) const;
  void load_table(std::string_view charsmap, const std::string& origin);

  std::vector<uint32_t> units_;  // double array of darts-clone
  std::string replacements_;     // each ends with a zero byte
  PieceTrie protected_;
  std::array<bool, 128> plain_{};  // ASCII characters that no rule starts with
  bool add_dummy_prefix_;
  bool remove_extra_white_space_;
  bool escape_white_space_;
};

}  // namespace hat::text
