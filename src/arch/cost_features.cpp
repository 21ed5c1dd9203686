#include "hat/arch/cost_features.h"

#include <algorithm>

#include "hat/base/error.h"

namespace hat::arch {

void LayerTotals::add(const EncoderLayer& layer) {
  encoder_layers += 1;
  encoder_ffn += layer.ffn_dim;
  encoder_heads += layer.heads;
  encoder_qkv += layer.qkv_dim;
}

void LayerTotals::add(const DecoderLayer& layer, int available_layers) {
  const int span = std::max(1, std::min(layer.cross_span, available_layers));
  decoder_layers += 1;
  decoder_ffn += layer.ffn_dim;
  self_heads += layer.self_heads;
  self_qkv += layer.self_qkv_dim;
  cross_qkv += layer.cross_qkv_dim;
  cross_span += span;
  cross_span_heads += static_cast<double>(span) * layer.cross_heads;
  cross_span_qkv += static_cast<double>(span) * layer.cross_qkv_dim;
}

LayerTotals layer_totals(const Architecture& architecture) {
  LayerTotals totals;
  totals.encoder_dim = architecture.encoder_embed_dim;
  totals.decoder_dim = architecture.decoder_embed_dim;
  for (const EncoderLayer& layer : architecture.encoder) totals.add(layer);
  const int available = static_cast<int>(architecture.encoder.size());
  for (const DecoderLayer& layer : architecture.decoder) totals.add(layer, available);
  return totals;
}

LayerTotals layer_totals_from_original(const std::vector<double>& features, int qkv_dim) {
  HAT_CHECK(features.size() == 10, ErrorKind::kData, "the original's format has ten features");
  LayerTotals totals;
  totals.encoder_dim = static_cast<int>(features[0]);
  totals.encoder_layers = features[1];
  totals.encoder_ffn = features[1] * features[2];
  totals.encoder_heads = features[1] * features[3];
  totals.encoder_qkv = features[1] * qkv_dim;
  totals.decoder_dim = static_cast<int>(features[4]);
  totals.decoder_layers = features[5];
  totals.decoder_ffn = features[5] * features[6];
  totals.self_heads = features[5] * features[7];
  totals.self_qkv = features[5] * qkv_dim;
  totals.cross_qkv = features[5] * qkv_dim;
  totals.cross_span = features[5] * features[9];
  totals.cross_span_heads = features[5] * features[9] * features[8];
  totals.cross_span_qkv = totals.cross_span * qkv_dim;
  return totals;
}

const std::array<CostFeature, kCostFeatureCount>& cost_feature_list() {
  static const std::array<CostFeature, kCostFeatureCount> list = {{
      {"encoder.layers", "encoder layers run", true},
      {"encoder.projections", "multiply-adds of the encoder's attention projections, millions",
       true},
      {"encoder.ffn", "multiply-adds of the encoder's feed-forward networks, millions", true},
      {"encoder.attention", "multiply-adds of scores and mixing in the encoder, millions", false},
      {"encoder.softmax", "attention weights of the encoder, millions", false},
      {"encoder.hidden", "inner FFN elements of the encoder, millions", false},
      {"encoder.width", "elements of residual streams and norms in the encoder, millions", false},
      {"decoder.layers", "decoder layers run, over all steps", true},
      {"decoder.projections", "multiply-adds of the decoder's projections in all steps, millions",
       true},
      {"decoder.ffn", "multiply-adds of the decoder's feed-forward networks, millions", true},
      {"decoder.self_attention", "multiply-adds of scores and mixing over the prefix, millions",
       false},
      {"decoder.self_softmax", "attention weights over the prefix, millions", false},
      {"decoder.cross_attention", "multiply-adds of scores and mixing over the source, millions",
       true},
      {"decoder.cross_softmax", "attention weights over the source, millions", false},
      {"decoder.cross_memory", "multiply-adds for keys and values of the source, millions", true},
      {"decoder.hidden", "inner FFN elements of the decoder in all steps, millions", true},
      {"decoder.width", "elements of residual streams and norms in the decoder, millions", false},
      {"output", "multiply-adds of the output projection in all steps, millions", true},
  }};
  return list;
}

namespace {

CostFeatures cost_features(const LayerTotals& t, const Workload& w, const SentenceLength& length) {
  const double scale = 1e-6;
  const double batch = w.batch;
  const double source = length.source;
  const double rows = batch * source;
  const double steps = length.target;
  const double step_rows = steps * batch * w.beam;
  // A cached decoder's step t sees t tokens: on average half of the whole, and half a token.
  const double prefix = 0.5 * (steps + 1);
  const double e = t.encoder_dim;
  const double d = t.decoder_dim;
  return {
      t.encoder_layers,
      rows * 4 * t.encoder_qkv * e * scale,
      rows * 2 * t.encoder_ffn * e * scale,
      rows * source * 2 * t.encoder_qkv * scale,
      rows * source * t.encoder_heads * scale,
      rows * t.encoder_ffn * scale,
      rows * t.encoder_layers * e * scale,
      t.decoder_layers * steps,
      step_rows * (4 * t.self_qkv + 2 * t.cross_qkv) * d * scale,
      step_rows * 2 * t.decoder_ffn * d * scale,
      step_rows * prefix * 2 * t.self_qkv * scale,
      step_rows * prefix * t.self_heads * scale,
      step_rows * source * 2 * t.cross_span_qkv * scale,
      step_rows * source * t.cross_span_heads * scale,
      rows * 2 * t.cross_span_qkv * e * scale,
      step_rows * t.decoder_ffn * scale,
      step_rows * t.decoder_layers * d * scale,
      step_rows * d * w.vocabulary.target * scale,
  };
}

}  // namespace

CostFeatures cost_features(const LayerTotals& t, const Workload& w) {
  const std::vector<SentenceLength> lengths = w.sentence_lengths();
  CostFeatures mean{};
  for (const SentenceLength& length : lengths) {
    const CostFeatures one = cost_features(t, w, length);
    for (size_t f = 0; f < mean.size(); ++f) {
      mean[f] += one[f] / static_cast<double>(lengths.size());
    }
  }
  return mean;
}

double decoder_step_weight_bytes(const LayerTotals& t, const Workload& w, double bytes_per_weight) {
  const double d = t.decoder_dim;
  const double weights = (4 * t.self_qkv + 2 * t.cross_qkv) * d + 2 * t.decoder_ffn * d +
                         d * static_cast<double>(w.vocabulary.target);
  return weights * bytes_per_weight;
}

}  // namespace hat::arch
