#pragma once

#include <string_view>
#include <vector>

#include "text/model_proto.h"
#include "text/piece_trie.h"

namespace hat::text {

/// What segmenting needs to know of a model.
struct PieceTable {
  PieceTrie trie;  ///< normal, user-defined and unused pieces
  PieceTrie user_defined;
  std::vector<float> scores;
  std::vector<PieceType> types;
  float min_score = 0;
  float max_score = 0;
  int unk = 0;
};

struct Segment {
  std::string_view text;
  int id;
};

/// The most probable segmentation of normalised text under a unigram model (Viterbi).
std::vector<Segment> segment_unigram(const PieceTable& table, std::string_view normalized);
/// Merges by rank (byte pair encoding).
std::vector<Segment> segment_bpe(const PieceTable& table, std::string_view normalized);

}  // namespace hat::text
