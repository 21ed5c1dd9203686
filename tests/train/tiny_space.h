#pragma once

#include "hat/arch/search_space.h"
#include "hat/config/json.h"

namespace hat::train::testing {

/// A space that trains in milliseconds.
inline arch::SearchSpace tiny_space() {
  return arch::SearchSpace::from_json(config::parse_json(R"({
    "format": "hat-space", "version": 1, "name": "test", "family": "seq2seq",
    "model": {"norm": "pre", "embeddings": "shared", "activation": "relu", "head_dim": 8},
    "genes": {
      "encoder.embed_dim": [32, 16],
      "encoder.layers": [2, 1],
      "encoder.ffn_dim": [64, 48, 32],
      "encoder.qkv_dim": [32, 16],
      "decoder.embed_dim": [32, 16],
      "decoder.layers": [2, 1],
      "decoder.ffn_dim": [64, 48, 32],
      "decoder.self_qkv_dim": [32, 16],
      "decoder.cross_qkv_dim": [32, 16],
      "decoder.cross_span": [1, 2]
    }})",
                                                         "test space"),
                                      "test space");
}

}  // namespace hat::train::testing
