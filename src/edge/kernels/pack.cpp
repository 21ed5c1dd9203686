#include <algorithm>
#include <cmath>
#include <cstring>

#include "edge/kernels/kernels.h"
#include "edge/kernels/reference.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"

namespace hat::edge {

namespace {

constexpr float kSmallest = 1e-30f;  // below, 127 / max is not finite: the row counts as zero
constexpr uint8_t kInt4Zero = 0x88;  // two weights of q = 0

uint16_t to_bfloat16(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return static_cast<uint16_t>((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
}

int quantise(float value, float inverse, int lowest, int highest) {
  return std::clamp(static_cast<int>(round_to_int(value * inverse)), lowest, highest);
}

// Where k of row (within its panel) lies among an int8 panel's weights.
size_t int8_at(uint32_t row, uint32_t k) { return (size_t{k / 4} * kPanelRows + row) * 4 + k % 4; }

// The byte of k within an int4 panel; the half is high when k % 8 >= 4.
size_t int4_at(uint32_t row, uint32_t k) {
  return size_t{k / kGroup} * kInt4GroupBytes + 64 +
         (size_t{k % kGroup / 8} * kPanelRows + row) * 4 + k % 4;
}
size_t int4_scale_at(uint32_t row, uint32_t k) {
  return size_t{k / kGroup} * kInt4GroupBytes + row * sizeof(uint16_t);
}

void pack_int8_row(const float* w, uint32_t k, uint32_t row, std::byte* panel) {
  float most = 0;
  for (uint32_t i = 0; i < k; ++i) most = std::max(most, std::fabs(w[i]));
  const bool nothing = !(most >= kSmallest);
  const float scale = nothing ? 0.0f : most / 127.0f;
  const float inverse = nothing ? 0.0f : 127.0f / most;
  std::memcpy(panel + row * sizeof(float), &scale, sizeof(scale));
  auto* out = reinterpret_cast<int8_t*>(panel + kInt8Header);
  for (uint32_t i = 0; i < k; ++i) {
    out[int8_at(row, i)] = static_cast<int8_t>(quantise(w[i], inverse, -127, 127));
  }
}

// A group's extreme value m may become -8 (or -7.5 and be cut to -8, or ...): the divisors to try.
// The sign is free because scales are signed.
constexpr float kDivisors[] = {-8.0f,  -7.5f, -7.0f, -8.5f, -9.0f, -9.5f,
                               -10.0f, 7.0f,  7.5f,  8.0f,  8.5f,  9.0f};

float best_int4_scale(const float* w, uint32_t count) {
  float extreme = 0;
  for (uint32_t i = 0; i < count; ++i) {
    if (std::fabs(w[i]) > std::fabs(extreme)) extreme = w[i];
  }
  if (!(std::fabs(extreme) >= kSmallest)) return 0.0f;
  float best = 0;
  float least = INFINITY;
  for (const float divisor : kDivisors) {
    const float scale = bfloat16_to_float(to_bfloat16(extreme / divisor));
    const float inverse = 1.0f / scale;
    float error = 0;
    for (uint32_t i = 0; i < count; ++i) {
      const float rounded = (w[i] * inverse + kRoundMagic) - kRoundMagic;
      const float miss = std::min(std::max(rounded, -8.0f), 7.0f) * scale - w[i];
      error += miss * miss;
    }
    if (error < least) {
      least = error;
      best = scale;
    }
  }
  return best;
}

void pack_int4_row(const float* w, uint32_t k, uint32_t row, std::byte* panel) {
  for (uint32_t first = 0; first < k; first += kGroup) {
    const uint32_t count = std::min(k - first, kGroup);
    const float scale = best_int4_scale(w + first, count);
    const float inverse = scale == 0.0f ? 0.0f : 1.0f / scale;
    const uint16_t stored = to_bfloat16(scale);
    std::memcpy(panel + int4_scale_at(row, first), &stored, sizeof(stored));
    for (uint32_t i = first; i < first + count; ++i) {
      const auto q = static_cast<unsigned>(quantise(w[i], inverse, -8, 7) + 8);
      std::byte& out = panel[int4_at(row, i)];
      out = i % 8 < 4 ? (out & std::byte{0xF0}) | std::byte(q)
                      : (out & std::byte{0x0F}) | std::byte(q << 4);
    }
  }
}

// All rows and columns w = 0.
void clear_panel(WeightType type, uint32_t k, std::byte* panel) {
  std::memset(panel, 0, panel_bytes(type, k));
  if (type != WeightType::kInt4) return;
  for (uint32_t first = 0; first < k; first += kGroup) {
    std::memset(panel + int4_scale_at(0, first) + 64, kInt4Zero, kInt4GroupBytes - 64);
  }
}

uint32_t check_shape(WeightType type, uint32_t n, uint32_t k) {
  HAT_CHECK(n >= 1 && n <= kMaxRows && k >= 1 && k <= kMaxColumns, ErrorKind::kData,
            str("matrix of ", n, " x ", k, " is beyond what the kernels handle"),
            str("1 to ", kMaxRows, " rows and 1 to ", kMaxColumns, " columns"));
  HAT_CHECK(type <= WeightType::kInt4, ErrorKind::kData,
            str("unknown weight type ", static_cast<int>(type)),
            "the file was written by a newer version, or is damaged");
  return panel_count(n);
}

}  // namespace

uint64_t panel_bytes(WeightType type, uint32_t k) {
  check_shape(type, 1, k);
  const uint64_t k_pad = round_up(k, kGroup);
  if (type == WeightType::kInt8) return kInt8Header + k_pad * kPanelRows;
  if (type == WeightType::kInt4) return k_pad / kGroup * kInt4GroupBytes;
  return uint64_t{k} * kPanelRows * sizeof(float);
}

uint64_t packed_bytes(WeightType type, uint32_t n, uint32_t k) {
  return check_shape(type, n, k) * panel_bytes(type, k);
}

PackedMatrix view_packed(WeightType type, uint32_t n, uint32_t k,
                         std::span<const std::byte> bytes) {
  HAT_CHECK(bytes.size() == packed_bytes(type, n, k), ErrorKind::kData,
            str("packed matrix of ", n, " x ", k, " takes ", packed_bytes(type, n, k),
                " bytes, not ", bytes.size()),
            "the file is damaged");
  HAT_CHECK(reinterpret_cast<uintptr_t>(bytes.data()) % kAlignment == 0, ErrorKind::kData,
            "packed matrix is not aligned to 64 bytes", "the file is damaged");
  return {type, n, k, panel_bytes(type, k), bytes.data()};
}

void pack(WeightType type, const float* w, size_t ldw, uint32_t n, uint32_t k, std::byte* out) {
  const uint64_t stride = panel_bytes(type, k);
  for (uint32_t panel = 0; panel < check_shape(type, n, k); ++panel, out += stride) {
    clear_panel(type, k, out);
    const uint32_t first = panel * kPanelRows;
    for (uint32_t row = 0; row < std::min(kPanelRows, n - first); ++row) {
      const float* values = w + (first + row) * ldw;
      if (type == WeightType::kInt8) {
        pack_int8_row(values, k, row, out);
      } else if (type == WeightType::kInt4) {
        pack_int4_row(values, k, row, out);
      } else {
        auto* tile = reinterpret_cast<float*>(out);
        for (uint32_t i = 0; i < k; ++i) tile[size_t{i} * kPanelRows + row] = values[i];
      }
    }
  }
}

void pack_random(WeightType type, uint32_t n, uint32_t k, uint64_t seed, std::byte* out) {
  Rng rng(seed);
  const uint64_t size = packed_bytes(type, n, k);
  const float root = std::sqrt(static_cast<float>(k));
  if (type == WeightType::kFp32) {
    const float range = std::sqrt(3.0f) / root;  // uniform in +-range has deviation 1 / root
    auto* values = reinterpret_cast<float*>(out);
    for (uint64_t i = 0; i < size / 8; ++i) {
      const uint64_t bits = rng.next();
      values[2 * i] = (static_cast<float>(bits & 0xFFFFFF) * 0x1p-23f - 1.0f) * range;
      values[2 * i + 1] = (static_cast<float>(bits >> 40) * 0x1p-23f - 1.0f) * range;
    }
    return;
  }
  for (uint64_t i = 0; i < size; i += 8) {
    const uint64_t bits = rng.next();
    std::memcpy(out + i, &bits, 8);
  }
  const uint64_t stride = panel_bytes(type, k);
  for (std::byte* panel = out; panel < out + size; panel += stride) {
    if (type == WeightType::kInt8) {
      const float scale = 1.0f / (73.6f * root);  // deviation of -127..127: 73.6
      std::memset(panel, 0, kInt8Header);
      for (uint32_t row = 0; row < kPanelRows; ++row) {
        std::memcpy(panel + row * sizeof(float), &scale, sizeof(scale));
      }
      std::replace(panel + kInt8Header, panel + stride, std::byte{0x80}, std::byte{0x81});
      continue;
    }
    const uint16_t scale = to_bfloat16(1.0f / (4.6f * root));  // deviation of -8..7: 4.6
    for (uint32_t first = 0; first < k; first += kGroup) {
      for (uint32_t row = 0; row < kPanelRows; ++row) {
        std::memcpy(panel + int4_scale_at(row, first), &scale, sizeof(scale));
      }
    }
  }
}

void gather_rows(const PackedMatrix& src, std::span<const int32_t> rows, std::byte* out) {
  const uint32_t panels = check_shape(src.type, static_cast<uint32_t>(rows.size()), src.k);
  const bool wide = src.type != WeightType::kInt4;
  for (uint32_t panel = 0; panel < panels; ++panel, out += src.panel_bytes) {
    const size_t first = size_t{panel} * kPanelRows;
    const auto count = static_cast<uint32_t>(std::min<size_t>(kPanelRows, rows.size() - first));
    if (count < kPanelRows) clear_panel(src.type, src.k, out);
    if (src.type == WeightType::kInt8) std::memset(out, 0, kInt8Header);
    for (uint32_t row = 0; row < count; ++row) {
      const int32_t wanted = rows[first + row];
      HAT_DCHECK(wanted >= 0 && static_cast<uint32_t>(wanted) < src.n);
      const auto from_row = static_cast<uint32_t>(wanted) % kPanelRows;
      const std::byte* from =
          src.data + static_cast<uint32_t>(wanted) / kPanelRows * src.panel_bytes;
      if (wide) {
        // Scales (int8) and weights alike: words of four bytes, 128 bytes apart.
        for (size_t at = 0; at < src.panel_bytes; at += 128) {
          std::memcpy(out + at + row * 4, from + at + from_row * 4, 4);
        }
        continue;
      }
      for (size_t group = 0; group < src.panel_bytes; group += kInt4GroupBytes) {
        std::memcpy(out + group + row * 2, from + group + from_row * 2, 2);
        for (size_t at = group + 64; at < group + kInt4GroupBytes; at += 128) {
          std::memcpy(out + at + row * 4, from + at + from_row * 4, 4);
        }
      }
    }
  }
}

void dequantize_row(const PackedMatrix& w, uint32_t row, uint32_t count, float factor, float* out) {
  HAT_DCHECK(row < w.n && count <= w.k);
  const std::byte* panel = w.data + row / kPanelRows * w.panel_bytes;
  const uint32_t at = row % kPanelRows;
  if (w.type == WeightType::kFp32) {
    const auto* tile = reinterpret_cast<const float*>(panel);
    for (uint32_t i = 0; i < count; ++i) out[i] = tile[size_t{i} * kPanelRows + at] * factor;
    return;
  }
  if (w.type == WeightType::kInt8) {
    float scale;
    std::memcpy(&scale, panel + at * sizeof(float), sizeof(scale));
    const auto* q = reinterpret_cast<const int8_t*>(panel + kInt8Header);
    for (uint32_t i = 0; i < count; ++i) {
      out[i] = (static_cast<float>(q[int8_at(at, i)]) * scale) * factor;
    }
    return;
  }
  for (uint32_t i = 0; i < count; ++i) {
    uint16_t half;
    std::memcpy(&half, panel + int4_scale_at(at, i), sizeof(half));
    const auto byte = static_cast<uint8_t>(panel[int4_at(at, i)]);
    const int q = (i % 8 < 4 ? byte & 15 : byte >> 4) - 8;
    out[i] = (static_cast<float>(q) * bfloat16_to_float(half)) * factor;
  }
}

}  // namespace hat::edge
