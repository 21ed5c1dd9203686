#pragma once

namespace hat::edge {

// The fixed special tokens (hat-spec, first page).
inline constexpr int kPad = 1;
inline constexpr int kEnd = 2;  ///< also the decoder's start symbol
inline constexpr int kUnknown = 3;

}  // namespace hat::edge
