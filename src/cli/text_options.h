#pragma once

#include "hat/config/workspace_config.h"
#include "hat/edge/text_translator.h"

namespace hat::cli {

/// The workspace's way to translate (hat.json: decode) as the runtime takes it.
inline edge::TextOptions text_options(const config::DecodeConfig& decode) {
  edge::TextOptions options;
  options.translate.beam = decode.beam;
  options.translate.length_penalty = decode.length_penalty;
  options.translate.min_length = decode.min_length;
  // At most ratio * source + 10 tokens; max_length is the limit for any source.
  options.translate.max_length_a = decode.max_length_ratio;
  options.translate.max_length_b = 10;
  options.segment_tokens = decode.max_length;
  return options;
}

}  // namespace hat::cli
