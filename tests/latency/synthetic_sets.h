#pragma once

#include <string>

#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/latency/latency_set.h"

namespace hat::latency::testing {

/// A random architecture of the original's latency space.
inline arch::Architecture random_architecture(Rng* rng) {
  const std::vector<int> widths = {512, 640};
  const std::vector<int> ffn = {512, 1024, 2048, 3072};
  const std::vector<int> heads = {2, 4, 8};
  arch::Architecture a;
  a.encoder_embed_dim = rng->choose(widths);
  a.decoder_embed_dim = rng->choose(widths);
  for (int i = 0; i < 6; ++i) a.encoder.push_back({rng->choose(ffn), rng->choose(heads), 512});
  const int layers = 1 + static_cast<int>(rng->below(6));
  for (int i = 0; i < layers; ++i) {
    a.decoder.push_back({rng->choose(ffn), rng->choose(heads), 512, rng->choose(heads), 512,
                         1 + static_cast<int>(rng->below(3))});
  }
  return a;
}

/// A device that costs what a formula of another shape than the predictor's features says.
struct SyntheticDevice {
  double encoder_ms = 8;
  double decoder_layer_ms = 30;
  double ffn_ms = 10;
  double span_ms = 2;

  double encoder(const arch::Architecture& a) const {
    double ffn = 0;
    for (const arch::EncoderLayer& layer : a.encoder) ffn += layer.ffn_dim / 2048.0;
    return encoder_ms * (0.4 + 0.1 * ffn) * a.encoder_embed_dim / 640.0;
  }
  double decoder(const arch::Architecture& a) const {
    double ms = 5;
    for (const arch::DecoderLayer& layer : a.decoder) {
      ms += decoder_layer_ms * (0.7 + 0.3 * a.decoder_embed_dim / 640.0);
      ms += ffn_ms * layer.ffn_dim / 2048.0 * a.decoder_embed_dim / 640.0;
      ms += span_ms * layer.cross_span * (0.5 + 0.5 * a.encoder_embed_dim / 640.0);
    }
    return ms;
  }
};

/// `rows` measurements in the original's form with normal relative noise.
inline LatencySet synthetic_set(int rows, double noise, uint64_t seed,
                                const SyntheticDevice& device = {}) {
  Rng rng(seed, "synthetic latency");
  LatencySet set;
  set.origin = "synthetic.csv";
  set.imported = true;
  for (int i = 0; i < rows; ++i) {
    const arch::Architecture a = random_architecture(&rng);
    LatencyRow row;
    row.line = i + 2;
    row.averages = arch::original_features(a);
    row.totals = arch::layer_totals_from_original(row.averages);
    const double level = 1 + noise * rng.normal();
    row.encoder_ms = device.encoder(a) * level;
    row.decoder_ms = device.decoder(a) * level * (1 + 0.2 * noise * rng.normal());
    row.total_ms = row.encoder_ms + row.decoder_ms;
    set.rows.push_back(std::move(row));
  }
  return set;
}

inline void scale(LatencyRow* row, double factor) {
  row->encoder_ms *= factor;
  row->decoder_ms *= factor;
  row->total_ms = row->encoder_ms + row->decoder_ms;
}

}  // namespace hat::latency::testing
