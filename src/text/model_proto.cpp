#include "text/model_proto.h"

#include <bit>
#include <cstring>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::text {
namespace {

constexpr size_t kMaxPieces = size_t{1} << 22;

/// One field of a message: its number and, by wire type, a number or a run of bytes.
struct WireField {
  uint32_t number = 0;
  uint32_t type = 0;
  uint64_t value = 0;
  std::string_view bytes;
};

/// Walks over the fields of one message.
class WireReader {
 public:
  WireReader(std::string_view bytes, const std::string& origin) : rest_(bytes), origin_(origin) {}

  bool next(WireField* field) {
    if (rest_.empty()) return false;
    const uint64_t tag = varint();
    field->number = static_cast<uint32_t>(tag >> 3);
    field->type = static_cast<uint32_t>(tag & 7);
    field->bytes = {};
    field->value = 0;
    check(field->number != 0 && tag >> 3 < (uint64_t{1} << 29), "a field without number");
    switch (field->type) {
      case 0:
        field->value = varint();
        break;
      case 1:
        field->bytes = take(8);
        break;
      case 2:
        field->bytes = take(varint());
        break;
      case 5:
        field->bytes = take(4);
        break;
      default:
        check(false, "an unknown wire type");
    }
    return true;
  }

  void check(bool good, const char* what) const {
    HAT_CHECK(good, ErrorKind::kData, str(origin_, ": no SentencePiece model (", what, ")"),
              "Give a .model file that hat prepare or SentencePiece wrote.");
  }

 private:
  uint64_t varint() {
    uint64_t value = 0;
    for (int shift = 0; shift < 64; shift += 7) {
      check(!rest_.empty(), "it ends too early");
      const uint8_t byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return value;
    }
    check(false, "a number is too long");
    return 0;
  }

  std::string_view take(uint64_t size) {
    check(size <= rest_.size(), "it ends too early");
    const std::string_view bytes = rest_.substr(0, size);
    rest_.remove_prefix(size);
    return bytes;
  }

  std::string_view rest_;
  const std::string& origin_;
};

void expect(const WireReader& reader, const WireField& field, uint32_t type) {
  reader.check(field.type == type, "a field has the wrong type");
}

ModelProto::Piece parse_piece(std::string_view bytes, const std::string& origin) {
  ModelProto::Piece piece;
  WireReader reader(bytes, origin);
  WireField field;
  while (reader.next(&field)) {
    if (field.number == 1) {
      expect(reader, field, 2);
      piece.text = field.bytes;
    } else if (field.number == 2) {
      expect(reader, field, 5);
      static_assert(std::endian::native == std::endian::little);
      std::memcpy(&piece.score, field.bytes.data(), 4);
    } else if (field.number == 3) {
      expect(reader, field, 0);
      reader.check(field.value >= 1 && field.value <= 6, "an unknown kind of piece");
      piece.type = static_cast<PieceType>(field.value);
    }
  }
  reader.check(!piece.text.empty(), "an empty piece");
  reader.check(piece.score == piece.score && piece.score - piece.score == 0,
               "a score is no number");
  return piece;
}

void parse_trainer(std::string_view bytes, const std::string& origin, ModelProto* model) {
  WireReader reader(bytes, origin);
  WireField field;
  while (reader.next(&field)) {
    if (field.number == 3) {
      expect(reader, field, 0);
      reader.check(field.value >= 1 && field.value <= 4, "an unknown model type");
      model->model_type = static_cast<int>(field.value);
    } else if (field.number == 24) {
      expect(reader, field, 0);
      model->white_space_as_suffix = field.value != 0;
    } else if (field.number == 35) {
      expect(reader, field, 0);
      model->byte_fallback = field.value != 0;
    } else if (field.number == 44) {
      expect(reader, field, 2);
      model->unknown_surface = field.bytes;
    }
  }
}

void parse_normalizer(std::string_view bytes, const std::string& origin, ModelProto* model) {
  WireReader reader(bytes, origin);
  WireField field;
  while (reader.next(&field)) {
    if (field.number == 2) {
      expect(reader, field, 2);
      model->charsmap = field.bytes;
    } else if (field.number >= 3 && field.number <= 5) {
      expect(reader, field, 0);
      const bool on = field.value != 0;
      if (field.number == 3) model->add_dummy_prefix = on;
      if (field.number == 4) model->remove_extra_white_space = on;
      if (field.number == 5) model->escape_white_space = on;
    }
  }
}

bool has_charsmap(std::string_view bytes, const std::string& origin) {
  ModelProto scratch;
  parse_normalizer(bytes, origin, &scratch);
  return !scratch.charsmap.empty();
}

}  // namespace

ModelProto parse_model_proto(std::string_view bytes, const std::string& origin) {
  ModelProto model;
  WireReader reader(bytes, origin);
  WireField field;
  while (reader.next(&field)) {
    if (field.number > 5) continue;
    reader.check(field.number != 0 && field.type == 2, "a field has the wrong type");
    if (field.number == 1) {
      reader.check(model.pieces.size() < kMaxPieces, "too many pieces");
      model.pieces.push_back(parse_piece(field.bytes, origin));
    } else if (field.number == 2) {
      parse_trainer(field.bytes, origin, &model);
    } else if (field.number == 3) {
      parse_normalizer(field.bytes, origin, &model);
    } else if (field.number == 5) {
      model.has_denormalizer = has_charsmap(field.bytes, origin);
    }
  }
  reader.check(!model.pieces.empty(), "no pieces");
  return model;
}

}  // namespace hat::text
