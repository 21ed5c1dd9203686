#include "hat/text/piece_tokenizer.h"

#include <algorithm>
#include <array>
#include <cfloat>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/base/unicode.h"
#include "text/model_proto.h"
#include "text/normalizer.h"
#include "text/segmenter.h"

namespace hat::text {
namespace {

constexpr std::string_view kSpaceSymbol = "\xE2\x96\x81";

// "<0x41>" is byte 0x41; -1 for anything else.
int piece_to_byte(std::string_view piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece.back() != '>') return -1;
  int byte = 0;
  for (char c : piece.substr(3, 2)) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
    if (digit < 0) return -1;
    byte = byte * 16 + digit;
  }
  return byte;
}

bool is_segmentable(PieceType type) {
  return type == PieceType::kNormal || type == PieceType::kUserDefined ||
         type == PieceType::kUnused;
}

}  // namespace

struct PieceTokenizer::Model {
  Model(const ModelProto& proto, const std::string& origin);

  std::vector<Segment> segment(std::string_view normalized) const {
    return is_bpe ? segment_bpe(table, normalized) : segment_unigram(table, normalized);
  }
  PieceType type(int id) const { return table.types[static_cast<size_t>(id)]; }

  bool is_bpe;
  bool byte_fallback;
  bool trims_start;
  bool removes_extra_white_space;
  std::string unknown_surface;
  std::vector<std::string> pieces;
  PieceTable table;
  PieceTrie reserved;  // control, unknown and byte pieces
  std::array<int, 256> byte_ids{};
  std::vector<int> byte_of;  // of each piece: the byte it stands for, or -1
  std::unique_ptr<Normalizer> normalizer;
};

PieceTokenizer::Model::Model(const ModelProto& proto, const std::string& origin)
    : is_bpe(proto.model_type == 2),
      byte_fallback(proto.byte_fallback),
      trims_start(proto.add_dummy_prefix || proto.remove_extra_white_space),
      removes_extra_white_space(proto.remove_extra_white_space),
      unknown_surface(proto.unknown_surface) {
  const auto check = [&](bool good, const std::string& what) {
    HAT_CHECK(good, ErrorKind::kData, str(origin, ": ", what),
              "hat reads unigram and BPE models of SentencePiece with their usual settings.");
  };
  check(proto.model_type <= 2, "word and character models are not supported");
  check(!proto.white_space_as_suffix, "white space as suffix is not supported");
  check(!proto.has_denormalizer, "a table to undo normalisation is not supported");
  pieces.reserve(proto.pieces.size());
  for (const ModelProto::Piece& p : proto.pieces) pieces.emplace_back(p.text);

  std::vector<std::pair<std::string_view, int>> segmentable;
  std::vector<std::pair<std::string_view, int>> user_defined;
  std::vector<std::pair<std::string_view, int>> others;
  byte_ids.fill(-1);
  table.unk = -1;
  table.min_score = FLT_MAX;
  table.max_score = FLT_MIN;  // the library starts from the smallest positive number
  for (size_t i = 0; i < proto.pieces.size(); ++i) {
    const ModelProto::Piece& p = proto.pieces[i];
    const int id = static_cast<int>(i);
    (is_segmentable(p.type) ? segmentable : others).emplace_back(pieces[i], id);
    if (p.type == PieceType::kUserDefined) user_defined.emplace_back(pieces[i], id);
    if (p.type == PieceType::kUnknown) {
      check(table.unk == -1, "two unknown pieces");
      table.unk = id;
    }
    const int byte = p.type == PieceType::kByte ? piece_to_byte(pieces[i]) : -1;
    if (p.type == PieceType::kByte) {
      check(byte_fallback && byte >= 0, str("unexpected byte piece '", pieces[i], "'"));
      byte_ids[static_cast<size_t>(byte)] = id;
    }
    if (p.type == PieceType::kNormal) {
      table.min_score = std::min(table.min_score, p.score);
      table.max_score = std::max(table.max_score, p.score);
    }
    byte_of.push_back(byte);
    table.scores.push_back(p.score);
    table.types.push_back(p.type);
  }
  check(table.unk != -1, "no unknown piece");
  check(!byte_fallback || std::count(byte_ids.begin(), byte_ids.end(), -1) == 0,
        "not every byte has a piece");
  for (auto* list : {&segmentable, &others}) {
    std::vector<std::pair<std::string_view, int>> sorted = *list;
    std::sort(sorted.begin(), sorted.end());
    const auto twice = std::adjacent_find(sorted.begin(), sorted.end(),
                                          [](auto& a, auto& b) { return a.first == b.first; });
    check(twice == sorted.end(), "a piece occurs twice");
  }
  table.trie = PieceTrie(std::move(segmentable));
  table.user_defined = PieceTrie(user_defined);
  reserved = PieceTrie(std::move(others));
  normalizer = std::make_unique<Normalizer>(proto, PieceTrie(std::move(user_defined)), origin);
}

PieceTokenizer PieceTokenizer::from_bytes(std::string_view model, const std::string& origin) {
  HAT_CHECK(model.size() < (size_t{1} << 30), ErrorKind::kData,
            str(origin, ": too large for a SentencePiece model"));
  return PieceTokenizer(std::make_shared<const Model>(parse_model_proto(model, origin), origin));
}

PieceTokenizer PieceTokenizer::load(const fs::path& path) {
  return from_bytes(read_file(path, size_t{1} << 30), path.string());
}

std::string PieceTokenizer::normalize(std::string_view text) const {
  return model_->normalizer->normalize(text);
}

std::vector<int> PieceTokenizer::encode(std::string_view text) const {
  const std::string normalized = normalize(text);
  std::vector<int> ids;
  bool after_unknown = false;
  for (const Segment& segment : model_->segment(normalized)) {
    const bool unknown = segment.id == model_->table.unk;
    if (unknown && model_->byte_fallback) {
      for (char c : segment.text) ids.push_back(model_->byte_ids[static_cast<uint8_t>(c)]);
    } else if (!(unknown && after_unknown)) {
      ids.push_back(segment.id);
    }
    after_unknown = unknown;
  }
  return ids;
}

std::vector<std::string> PieceTokenizer::encode_pieces(std::string_view text) const {
  const std::string normalized = normalize(text);
  std::vector<std::string> pieces;
  bool after_unknown = false;
  for (const Segment& segment : model_->segment(normalized)) {
    const bool unknown = segment.id == model_->table.unk;
    if (unknown && model_->byte_fallback) {
      for (char c : segment.text) {
        const int id = model_->byte_ids[static_cast<uint8_t>(c)];
        pieces.push_back(model_->pieces[static_cast<size_t>(id)]);
      }
    } else if (unknown && after_unknown) {
      pieces.back() += segment.text;
    } else {
      pieces.emplace_back(segment.text);
    }
    after_unknown = unknown;
  }
  return pieces;
}

namespace {

// Bytes that byte pieces stand for, with U+FFFD for what is no UTF-8.
void append_bytes(std::string& text, std::string& bytes) {
  for (size_t i = 0; i < bytes.size();) append_utf8(text, next_code_point(bytes, &i));
  bytes.clear();
}

}  // namespace

std::string PieceTokenizer::decode(std::span<const int> ids) const {
  const Model& m = *model_;
  std::string text;
  std::string bytes;
  bool at_start = true;  // a blank here is the one that normalisation put in front
  bool blank_taken = false;
  for (int id : ids) {
    HAT_CHECK(id >= 0 && id < size(), ErrorKind::kData,
              str("token id ", id, " outside the vocabulary of ", size()));
    const size_t index = static_cast<size_t>(id);
    if (m.type(id) == PieceType::kByte) {
      bytes += static_cast<char>(m.byte_of[index]);
      continue;
    }
    append_bytes(text, bytes);
    if (blank_taken || !text.empty()) at_start = false;
    blank_taken = false;
    if (m.type(id) == PieceType::kControl) continue;
    if (m.type(id) == PieceType::kUnknown) {
      text += m.unknown_surface;
      continue;
    }
    std::string_view piece = m.pieces[index];
    if (at_start && m.trims_start && piece.starts_with(kSpaceSymbol)) {
      piece.remove_prefix(kSpaceSymbol.size());
      blank_taken = !m.removes_extra_white_space;
    }
    for (size_t i = 0; i < piece.size();) {
      if (piece.substr(i).starts_with(kSpaceSymbol)) {
        text += ' ';
        i += kSpaceSymbol.size();
      } else {
        text += piece[i++];
      }
    }
  }
  append_bytes(text, bytes);
  return text;
}

int PieceTokenizer::size() const { return static_cast<int>(model_->pieces.size()); }

std::string_view PieceTokenizer::piece(int id) const {
  HAT_DCHECK(id >= 0 && id < size());
  return model_->pieces[static_cast<size_t>(id)];
}

int PieceTokenizer::id(std::string_view piece) const {
  int found = model_->reserved.find(piece);
  if (found < 0) found = model_->table.trie.find(piece);
  return found < 0 ? model_->table.unk : found;
}

int PieceTokenizer::unk() const { return model_->table.unk; }

bool PieceTokenizer::is_control(int id) const {
  HAT_DCHECK(id >= 0 && id < size());
  return model_->type(id) == PieceType::kControl;
}

void PieceTokenizer::check_special_ids(const std::string& origin) const {
  const bool good = size() > 4 && is_control(0) && is_control(1) && is_control(2) && unk() == 3;
  HAT_CHECK(good, ErrorKind::kData,
            str(origin, ": the first four pieces must be bos, pad, eos and unk"),
            "Train the tokenizer with bos_id=0, pad_id=1, eos_id=2, unk_id=3, or let hat prepare "
            "train it.");
}

}  // namespace hat::text
