#pragma once

#include <array>
#include <string>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/arch/cost.h"

namespace hat::arch {

/// Sums over the active layers of an architecture. Every cost feature is linear in them once the
/// two widths are fixed, so they carry all that a predictor needs, and the original's averaged
/// features determine them (average times layers).
struct LayerTotals {
  int encoder_dim = 0;
  double encoder_layers = 0;
  double encoder_ffn = 0;    ///< sum of FFN widths
  double encoder_heads = 0;  ///< sum of head counts
  double encoder_qkv = 0;    ///< sum of qkv widths
  int decoder_dim = 0;
  double decoder_layers = 0;
  double decoder_ffn = 0;
  double self_heads = 0;
  double self_qkv = 0;
  double cross_qkv = 0;
  double cross_span = 0;        ///< sum of spans (1 to 3 encoder outputs a layer)
  double cross_span_heads = 0;  ///< sum of span x heads
  double cross_span_qkv = 0;    ///< sum of span x qkv width

  void add(const EncoderLayer& layer);
  /// A span reaching beyond the first encoder layer counts as what exists.
  void add(const DecoderLayer& layer, int available_layers);
};

LayerTotals layer_totals(const Architecture& architecture);
/// From the original's ten averaged features (hat-spec section 4), qkv width fixed. Exact for all
/// but cross_span_heads, which takes the product of the averages.
LayerTotals layer_totals_from_original(const std::vector<double>& features, int qkv_dim = 512);

/// One cost of running an architecture: a count of operations that take about the same time each.
struct CostFeature {
  const char* name;
  const char* meaning;
  /// Belongs to the short list of products and layer counts that dominates everywhere; the others
  /// are per-element work that shows on some devices only.
  bool main;
};

inline constexpr int kCostFeatureCount = 18;
using CostFeatures = std::array<double, kCostFeatureCount>;

const std::array<CostFeature, kCostFeatureCount>& cost_feature_list();

/// The physical features: multiply-adds of each product in millions (which for one workload
/// are proportional to the bytes of weights it streams), elements touched in millions, and layers
/// run. They count one translation of `workload`: the encoder once, cross keys and values once,
/// then target_length steps of batch x beam rows with a key/value cache, output projection
/// included; the mean over the workload's lengths.
CostFeatures cost_features(const LayerTotals& totals, const Workload& workload);
inline CostFeatures cost_features(const Architecture& architecture, const Workload& workload) {
  return cost_features(layer_totals(architecture), workload);
}

/// Bytes of weights that one decoder step reads at `bytes_per_weight`: what has to fit a cache.
double decoder_step_weight_bytes(const LayerTotals& totals, const Workload& workload,
                                 double bytes_per_weight);

}  // namespace hat::arch
