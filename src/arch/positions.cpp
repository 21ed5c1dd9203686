#include "hat/arch/positions.h"

#include <cmath>

#include "hat/base/error.h"

namespace hat::arch {
namespace {

/// Radical inverse of k in base 2: 0, 1/2, 1/4, 3/4, 1/8, ...
double van_der_corput(unsigned k) {
  double value = 0;
  for (double place = 0.5; k != 0; k >>= 1, place /= 2) value += (k & 1u) != 0 ? place : 0;
  return value;
}

/// fp32 all the way, as the original computes its table.
float compat_value(int position, int column, int super_width) {
  const int half = super_width / 2;
  const float step = static_cast<float>(std::log(10000.0) / (half - 1));
  const int j = column % half;
  const float angle = static_cast<float>(position) * std::exp(static_cast<float>(j) * -step);
  if (column >= 2 * half) return 0.0F;  // odd widths end in a zero column
  return column < half ? std::sin(angle) : std::cos(angle);
}

float nested_value(int position, int column) {
  const double frequency = std::pow(10000.0, -van_der_corput(static_cast<unsigned>(column / 2)));
  const double angle = position * frequency;
  return static_cast<float>(column % 2 == 0 ? std::sin(angle) : std::cos(angle));
}

}  // namespace

std::vector<float> position_table(const ModelOptions& options, int width, int super_width,
                                  int rows) {
  HAT_DCHECK(width > 0 && rows > 0 &&
             (!options.compat || (super_width >= width && super_width > 3)));
  std::vector<float> table(static_cast<size_t>(rows) * width);
  for (int p = 0; p < rows; ++p) {
    if (p == kPaddingPosition) continue;
    for (int c = 0; c < width; ++c) {
      table[static_cast<size_t>(p) * width + c] =
          options.compat ? compat_value(p, c, super_width) : nested_value(p, c);
    }
  }
  return table;
}

}  // namespace hat::arch
