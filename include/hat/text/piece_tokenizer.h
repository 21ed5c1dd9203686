#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "hat/base/file.h"

namespace hat::text {

/// Splits text into the pieces of a SentencePiece model and back, with the results of the library
/// (Kudo and Richardson, 2018) but without it: unigram (Kudo, 2018) and BPE models, their
/// normaliser, byte fallback, user-defined pieces. Immutable, so threads may share one; cheap to
/// copy.
class PieceTokenizer {
 public:
  /// The content of a .model file. Throws kData naming `origin` when it is not one, or needs
  /// something that is not supported (word and character models, white space as suffix).
  static PieceTokenizer from_bytes(std::string_view model, const std::string& origin);
  static PieceTokenizer load(const fs::path& path);

  /// Ids of the text's pieces, without end of sentence. Runs of unknown characters give one unk.
  std::vector<int> encode(std::string_view text) const;
  /// The pieces that encode() means, as a person reads them ("▁Guten", "▁Mor", "gen"). Unknown
  /// characters stand for themselves.
  std::vector<std::string> encode_pieces(std::string_view text) const;
  /// Text of ids; control pieces (padding, end of sentence) are silent, unk is the model's mark for
  /// it (" ⁇ "). Throws kData on an id outside the vocabulary.
  std::string decode(std::span<const int> ids) const;
  /// The text as the model sees it, blanks as U+2581.
  std::string normalize(std::string_view text) const;

  int size() const;
  std::string_view piece(int id) const;
  /// The piece's id, or unk().
  int id(std::string_view piece) const;
  int unk() const;
  /// True for pieces such as padding and end of sentence, which no text is encoded to.
  bool is_control(int id) const;
  /// Throws kData naming `origin` unless 0 to 3 are bos, pad, eos and unk, as every hat model
  /// needs.
  void check_special_ids(const std::string& origin) const;

 private:
  struct Model;
  explicit PieceTokenizer(std::shared_ptr<const Model> model) : model_(std::move(model)) {}
  std::shared_ptr<const Model> model_;
};

}  // namespace hat::text
