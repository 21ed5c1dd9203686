#include "model/layout.h"

#include <algorithm>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::model {
namespace {

using Embeddings = arch::ModelOptions::Embeddings;

Slice vector_slice(int parameter, int64_t n, int group = 0) { return {parameter, group, n, 1}; }

NormSlices cut_norm(const NormLayout& norm, int64_t dim) {
  return {vector_slice(norm.gamma, dim), vector_slice(norm.beta, dim)};
}

AttentionSlices cut_attention(const AttentionLayout& a, int64_t qkv, int64_t dim,
                              int64_t memory_dim, int64_t heads) {
  const auto projection = [&](const AttentionLayout::Projection& p, int group, int64_t in) {
    const bool is_key = group == 1;
    return LinearSlices{
        {p.weight, p.weight_group, qkv, in}, vector_slice(a.in_bias, qkv, group), is_key};
  };
  return {projection(a.q, 0, dim),
          projection(a.k, 1, memory_dim),
          projection(a.v, 2, memory_dim),
          {{a.out_weight, 0, dim, qkv}, vector_slice(a.out_bias, dim), false},
          heads};
}

void cut_feed_forward(LayerSlices* out, const LayerLayout& layer, int64_t dim, int64_t ffn) {
  out->fc1 = {{layer.fc1_weight, 0, ffn, dim}, vector_slice(layer.fc1_bias, ffn), false};
  out->fc2 = {{layer.fc2_weight, 0, dim, ffn}, vector_slice(layer.fc2_bias, dim), false};
  out->final_norm = cut_norm(layer.final_norm, dim);
}

}  // namespace

Layout::Layout(const NetworkSpec& spec) {
  const arch::Architecture& a = spec.capacities;
  HAT_CHECK(a.family == arch::Family::kSeq2Seq, ErrorKind::kConfig,
            "this network needs an architecture of the family seq2seq");
  arch::check(a, "capacities");
  HAT_CHECK(spec.vocabulary.source > kUnkId && spec.vocabulary.target > kUnkId, ErrorKind::kConfig,
            str("vocabulary sizes ", spec.vocabulary.source, " and ", spec.vocabulary.target,
                " are too small"));
  HAT_CHECK(spec.options.embeddings != Embeddings::kShared ||
                spec.vocabulary.source == spec.vocabulary.target,
            ErrorKind::kConfig,
            str("shared embeddings need one vocabulary, but there are ", spec.vocabulary.source,
                " source and ", spec.vocabulary.target, " target tokens"),
            "Prepare the data with a joint tokenizer, or choose separate embeddings.");
  add_tables(spec);
  add_encoder(spec);
  add_decoder(spec);
}

int Layout::add(const std::string& name, int64_t rows, int64_t cols, int groups) {
  Parameter p;
  p.name = name;
  p.rows = rows;
  p.cols = cols;
  p.groups = groups;
  parameters.push_back(std::move(p));
  return static_cast<int>(parameters.size()) - 1;
}

int Layout::add_vector(const std::string& name, int64_t rows, int groups) {
  const int index = add(name, rows, 1, groups);
  parameters.back().is_vector = true;
  return index;
}

NormLayout Layout::add_norm(const std::string& name, int64_t dim) {
  NormLayout norm;
  norm.gamma = add_vector(name + ".weight", dim);
  norm.beta = add_vector(name + ".bias", dim);
  return norm;
}

AttentionLayout Layout::add_attention(const std::string& name, int64_t qkv, int64_t dim,
                                      int64_t memory_dim) {
  AttentionLayout a;
  if (dim == memory_dim) {
    const int stacked = add(name + ".in_proj_weight", 3 * qkv, dim, 3);
    a.q = {stacked, 0};
    a.k = {stacked, 1};
    a.v = {stacked, 2};
  } else {
    a.q = {add(name + ".q_proj_weight", qkv, dim), 0};
    a.k = {add(name + ".k_proj_weight", qkv, memory_dim), 0};
    a.v = {add(name + ".v_proj_weight", qkv, memory_dim), 0};
  }
  a.in_bias = add_vector(name + ".in_proj_bias", 3 * qkv, 3);
  a.out_weight = add(name + ".out_proj.weight", dim, qkv);
  a.out_bias = add_vector(name + ".out_proj.bias", dim);
  return a;
}

void Layout::add_feed_forward(LayerLayout* layer, const std::string& name, int64_t dim,
                              int64_t ffn) {
  layer->fc1_weight = add(name + ".fc1.weight", ffn, dim);
  layer->fc1_bias = add_vector(name + ".fc1.bias", ffn);
  layer->fc2_weight = add(name + ".fc2.weight", dim, ffn);
  layer->fc2_bias = add_vector(name + ".fc2.bias", dim);
  layer->final_norm = add_norm(name + ".final_layer_norm", dim);
}

void Layout::add_tables(const NetworkSpec& spec) {
  const arch::Architecture& a = spec.capacities;
  const auto embeddings = spec.options.embeddings;
  const int64_t width = embeddings == Embeddings::kShared
                            ? std::max(a.encoder_embed_dim, a.decoder_embed_dim)
                            : a.encoder_embed_dim;
  encoder_table = add("encoder.embed_tokens.weight", spec.vocabulary.source, width);
  if (embeddings == Embeddings::kShared) {
    aliases["decoder.embed_tokens.weight"] = "encoder.embed_tokens.weight";
    decoder_table = output_table = encoder_table;
    return;
  }
  decoder_table = output_table =
      add("decoder.embed_tokens.weight", spec.vocabulary.target, a.decoder_embed_dim);
  if (embeddings == Embeddings::kSeparate)
    output_table = add("decoder.embed_out", spec.vocabulary.target, a.decoder_embed_dim);
}

void Layout::add_encoder(const NetworkSpec& spec) {
  const int64_t dim = spec.capacities.encoder_embed_dim;
  for (size_t i = 0; i < spec.capacities.encoder.size(); ++i) {
    const arch::EncoderLayer& layer = spec.capacities.encoder[i];
    const std::string name = str("encoder.layers.", i);
    LayerLayout out;
    out.self = add_attention(name + ".self_attn", layer.qkv_dim, dim, dim);
    out.self_norm = add_norm(name + ".self_attn_layer_norm", dim);
    add_feed_forward(&out, name, dim, layer.ffn_dim);
    encoder.push_back(out);
  }
  if (spec.options.pre_norm) encoder_norm = add_norm("encoder.layer_norm", dim);
}

void Layout::add_decoder(const NetworkSpec& spec) {
  const int64_t dim = spec.capacities.decoder_embed_dim;
  for (size_t i = 0; i < spec.capacities.decoder.size(); ++i) {
    const arch::DecoderLayer& layer = spec.capacities.decoder[i];
    const std::string name = str("decoder.layers.", i);
    LayerLayout out;
    out.self = add_attention(name + ".self_attn", layer.self_qkv_dim, dim, dim);
    out.self_norm = add_norm(name + ".self_attn_layer_norm", dim);
    out.cross = add_attention(name + ".encoder_attn", layer.cross_qkv_dim, dim,
                              spec.capacities.encoder_embed_dim);
    out.cross_norm = add_norm(name + ".encoder_attn_layer_norm", dim);
    add_feed_forward(&out, name, dim, layer.ffn_dim);
    decoder.push_back(out);
  }
  if (spec.options.pre_norm) decoder_norm = add_norm("decoder.layer_norm", dim);
}

NetworkSlices cut(const Layout& layout, const NetworkSpec& spec, const arch::Architecture& a) {
  const int64_t e = a.encoder_embed_dim;
  const int64_t d = a.decoder_embed_dim;
  NetworkSlices out;
  out.encoder_table = {layout.encoder_table, 0, spec.vocabulary.source, e};
  out.decoder_table = {layout.decoder_table, 0, spec.vocabulary.target, d};
  out.output_table = {layout.output_table, 0, spec.vocabulary.target, d};
  for (size_t i = 0; i < a.encoder.size(); ++i) {
    const LayerLayout& layer = layout.encoder[i];
    LayerSlices slices;
    slices.self = cut_attention(layer.self, a.encoder[i].qkv_dim, e, e, a.encoder[i].heads);
    slices.self_norm = cut_norm(layer.self_norm, e);
    cut_feed_forward(&slices, layer, e, a.encoder[i].ffn_dim);
    out.encoder.push_back(slices);
  }
  for (size_t i = 0; i < a.decoder.size(); ++i) {
    const LayerLayout& layer = layout.decoder[i];
    const arch::DecoderLayer& sizes = a.decoder[i];
    LayerSlices slices;
    slices.self = cut_attention(layer.self, sizes.self_qkv_dim, d, d, sizes.self_heads);
    slices.self_norm = cut_norm(layer.self_norm, d);
    slices.cross = cut_attention(layer.cross, sizes.cross_qkv_dim, d, e, sizes.cross_heads);
    slices.cross_norm = cut_norm(layer.cross_norm, d);
    cut_feed_forward(&slices, layer, d, sizes.ffn_dim);
    out.decoder.push_back(slices);
  }
  if (spec.options.pre_norm) {
    out.encoder_norm = cut_norm(layout.encoder_norm, e);
    out.decoder_norm = cut_norm(layout.decoder_norm, d);
  }
  return out;
}

std::vector<Slice> flatten(const NetworkSlices& slices, const arch::ModelOptions& options) {
  std::vector<Slice> all;
  const auto add_linear = [&](const LinearSlices& l) {
    all.push_back(l.weight);
    all.push_back(l.bias);
  };
  const auto add_norm = [&](const NormSlices& n) {
    all.push_back(n.gamma);
    all.push_back(n.beta);
  };
  const auto add_attention = [&](const AttentionSlices& a) {
    for (const LinearSlices* l : {&a.q, &a.k, &a.v, &a.out}) add_linear(*l);
  };
  const auto add_layer = [&](const LayerSlices& layer, bool cross) {
    add_attention(layer.self);
    add_norm(layer.self_norm);
    if (cross) {
      add_attention(layer.cross);
      add_norm(layer.cross_norm);
    }
    add_linear(layer.fc1);
    add_linear(layer.fc2);
    add_norm(layer.final_norm);
  };
  // A shared table is listed for both stacks: its slice is as wide as the wider one.
  all.push_back(slices.encoder_table);
  all.push_back(slices.decoder_table);
  all.push_back(slices.output_table);
  for (const LayerSlices& layer : slices.encoder) add_layer(layer, false);
  for (const LayerSlices& layer : slices.decoder) add_layer(layer, true);
  if (options.pre_norm) {
    add_norm(slices.encoder_norm);
    add_norm(slices.decoder_norm);
  }
  return all;
}

}  // namespace hat::model
