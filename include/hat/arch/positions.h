#pragma once

#include <vector>

#include "hat/arch/search_space.h"

namespace hat::arch {

/// The position of the t-th real token (t from 0) is row kFirstPosition + t of the table; row
/// kPaddingPosition, for padding, is all zeros (hat-spec section 2, step 2).
inline constexpr int kPaddingPosition = 1;
inline constexpr int kFirstPosition = 2;

/// Row-major [rows, width] table of position features, added to scaled word vectors.
///
/// compat: the original's sinusoids, built at `super_width` and cut: half = super_width / 2,
/// angle(p, j) = p * exp(-j * ln(10000) / (half - 1)), row = [sin of all j | cos of all j], first
/// `width` columns.
///
/// Otherwise nested: channel 2k is sin, 2k + 1 is cos of p * 10000^-phi(k), phi the van der Corput
/// sequence in base 2. Every leading slice of channels covers the whole range of frequencies evenly
/// and keeps both phases, and a channel means the same at every width: what weight sharing by
/// leading slices needs. `super_width` is ignored.
std::vector<float> position_table(const ModelOptions& options, int width, int super_width,
                                  int rows);

}  // namespace hat::arch
