#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace hat::text {

/// The parts of sentencepiece_model.proto that encoding and decoding need.
enum class PieceType : uint8_t {
  kNormal = 1,
  kUnknown = 2,
  kControl = 3,
  kUserDefined = 4,
  kUnused = 5,
  kByte = 6,
};

struct ModelProto {
  struct Piece {
    std::string_view text;  ///< points into the parsed bytes
    float score = 0;
    PieceType type = PieceType::kNormal;
  };
  std::vector<Piece> pieces;
  int model_type = 1;  ///< 1 unigram, 2 BPE, 3 word, 4 character
  bool byte_fallback = false;
  bool white_space_as_suffix = false;
  std::string_view unknown_surface = " \xE2\x81\x87 ";
  std::string_view charsmap;
  bool add_dummy_prefix = true;
  bool remove_extra_white_space = true;
  bool escape_white_space = true;
  bool has_denormalizer = false;
};

/// Reads protobuf's wire format; every length is checked. Throws kData naming `origin`.
ModelProto parse_model_proto(std::string_view bytes, const std::string& origin);

}  // namespace hat::text
