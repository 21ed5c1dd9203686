#include "plain_scorer.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <cmath>
#include <vector>

#include "hat/arch/cost.h"
#include "hat/arch/positions.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::train {
namespace {

at::Tensor places(const at::Tensor& tokens) {
  const at::Tensor real = tokens.ne(model::kPadId);
  return (real.cumsum(1) * real).add(arch::kPaddingPosition);
}

}  // namespace

PlainScorer::PlainScorer(model::Transformer& super) : super_(super) {
  const model::NetworkSpec& spec = super.spec();
  HAT_CHECK(!spec.options.pre_norm && spec.options.activation == "relu", ErrorKind::kUsage,
            "the plain yardstick knows post-norm networks with ReLU only",
            "Use a space like 'iwslt' or 'wmt'.");
  const auto table = [&](int width, int super_width) {
    const int rows = spec.options.max_positions + arch::kFirstPosition;
    return at::tensor(arch::position_table(spec.options, width, super_width, rows), at::kFloat)
        .view({rows, width});
  };
  encoder_positions_ = table(spec.capacities.encoder_embed_dim, spec.super_encoder_embed_dim);
  decoder_positions_ = table(spec.capacities.decoder_embed_dim, spec.super_decoder_embed_dim);
}

at::Tensor PlainScorer::weight(const std::string& name, int64_t rows, int64_t cols) const {
  const model::ParameterStore& store = super_.parameters();
  const int index = store.find(name);
  HAT_CHECK(index >= 0, ErrorKind::kInternal, str("no weight is named ", name));
  return store.value(index).narrow(0, 0, rows).narrow(1, 0, cols);
}

at::Tensor PlainScorer::vector(const std::string& name, int64_t rows) const {
  const model::ParameterStore& store = super_.parameters();
  const int index = store.find(name);
  HAT_CHECK(index >= 0, ErrorKind::kInternal, str("no weight is named ", name));
  return store.value(index).narrow(0, 0, rows);
}

/// Query (part 0), key (1) or value (2) of `x`: leading rows of a stacked matrix's third, or of a
/// matrix of its own where encoder and decoder differ in width.
at::Tensor PlainScorer::projection(const std::string& name, int part, const at::Tensor& x,
                                   int64_t qkv) const {
  static const char* const kOwn[] = {".q_proj_weight", ".k_proj_weight", ".v_proj_weight"};
  const model::ParameterStore& store = super_.parameters();
  const at::Tensor biases = store.value(store.find(name + ".in_proj_bias"));
  const int64_t third = biases.size(0) / 3;
  const at::Tensor bias = biases.narrow(0, part * third, qkv);
  const int stacked = store.find(name + ".in_proj_weight");
  if (stacked < 0) return at::linear(x, weight(name + kOwn[part], qkv, x.size(-1)), bias);
  return at::linear(x, store.value(stacked).narrow(0, part * third, qkv).narrow(1, 0, x.size(-1)),
                    bias);
}

at::Tensor PlainScorer::embed(const std::string& table, const at::Tensor& tokens, int64_t dim,
                              const at::Tensor& positions, double scale) const {
  const at::Tensor words = at::embedding(
      weight(table, super_.parameters().value(super_.parameters().find(table)).size(0), dim),
      tokens);
  return words * scale + at::embedding(positions.narrow(1, 0, dim), places(tokens));
}

at::Tensor PlainScorer::attend(const std::string& name, const at::Tensor& x,
                               const at::Tensor& memory, const at::Tensor& mask, int64_t qkv,
                               int64_t heads) const {
  const int64_t batch = x.size(0), head = qkv / heads;
  const auto split = [&](const at::Tensor& t) {
    return t.reshape({batch, t.size(1), heads, head})
        .transpose(1, 2)
        .reshape({batch * heads, t.size(1), head});
  };
  const at::Tensor q =
      split(projection(name, 0, x, qkv) * (1 / std::sqrt(static_cast<double>(head))));
  const at::Tensor k = split(projection(name, 1, memory, qkv));
  const at::Tensor v = split(projection(name, 2, memory, qkv));
  const at::Tensor scores =
      at::bmm(q, k.transpose(1, 2)).view({batch, heads, x.size(1), memory.size(1)}) + mask;
  const at::Tensor mixed =
      at::bmm(scores.softmax(-1).view({batch * heads, x.size(1), memory.size(1)}), v)
          .view({batch, heads, x.size(1), head})
          .transpose(1, 2)
          .reshape({batch, x.size(1), qkv});
  return at::linear(mixed, weight(name + ".out_proj.weight", x.size(-1), qkv),
                    vector(name + ".out_proj.bias", x.size(-1)));
}

at::Tensor PlainScorer::norm(const std::string& name, const at::Tensor& x) const {
  const int64_t dim = x.size(-1);
  return at::layer_norm(x, {dim}, vector(name + ".weight", dim), vector(name + ".bias", dim),
                        super_.spec().options.layer_norm_epsilon);
}

at::Tensor PlainScorer::feed_forward(const std::string& name, const at::Tensor& x,
                                     int64_t ffn) const {
  const int64_t dim = x.size(-1);
  const at::Tensor inner =
      at::linear(x, weight(name + ".fc1.weight", ffn, dim), vector(name + ".fc1.bias", ffn)).relu();
  return norm(name + ".final_layer_norm",
              x + at::linear(inner, weight(name + ".fc2.weight", dim, ffn),
                             vector(name + ".fc2.bias", dim)));
}

/// Decoder states [rows, target length, D].
at::Tensor PlainScorer::hidden(const TensorBatch& batch) const {
  const arch::Architecture& a = super_.architecture();
  const auto additive = [](const at::Tensor& hidden) {
    return at::zeros(hidden.sizes(), at::kFloat).masked_fill_(hidden, -INFINITY);
  };
  const at::Tensor padding = additive(batch.source.eq(model::kPadId)).unsqueeze(1).unsqueeze(1);
  at::Tensor x = embed("encoder.embed_tokens.weight", batch.source, a.encoder_embed_dim,
                       encoder_positions_, super_.encoder_embed_scale());
  std::vector<at::Tensor> encoded;
  for (size_t i = 0; i < a.encoder.size(); ++i) {
    const std::string name = str("encoder.layers.", i);
    x = norm(name + ".self_attn_layer_norm", x + attend(name + ".self_attn", x, x, padding,
                                                        a.encoder[i].qkv_dim, a.encoder[i].heads));
    x = feed_forward(name, x, a.encoder[i].ffn_dim);
    encoded.push_back(x);
  }
  const at::Tensor source = x;
  const int64_t length = batch.prev_output.size(1);
  const at::Tensor causal =
      additive(at::ones({length, length}, at::kBool).triu(1)).unsqueeze(0).unsqueeze(0);
  x = embed("decoder.embed_tokens.weight", batch.prev_output, a.decoder_embed_dim,
            decoder_positions_, super_.decoder_embed_scale());
  for (size_t i = 0; i < a.decoder.size(); ++i) {
    const std::string name = str("decoder.layers.", i);
    const arch::DecoderLayer& layer = a.decoder[i];
    x = norm(name + ".self_attn_layer_norm",
             x + attend(name + ".self_attn", x, x, causal, layer.self_qkv_dim, layer.self_heads));
    std::vector<at::Tensor> pieces;
    for (const int piece : arch::cross_memory_pieces(a, static_cast<int>(i), super_.spec().options,
                                                     super_.spec().super_encoder_layers)) {
      pieces.push_back(piece == arch::kFinalOutput ? source
                                                   : encoded.at(static_cast<size_t>(piece)));
    }
    const at::Tensor memory = at::cat(pieces, 1);
    const at::Tensor mask = padding.repeat({1, 1, 1, static_cast<int64_t>(pieces.size())});
    x = norm(name + ".encoder_attn_layer_norm", x + attend(name + ".encoder_attn", x, memory, mask,
                                                           layer.cross_qkv_dim, layer.cross_heads));
    x = feed_forward(name, x, layer.ffn_dim);
  }
  return x;
}

double PlainScorer::score(const arch::Architecture& architecture, const ValidationSet& set,
                          double label_smoothing) {
  const c10::NoGradGuard no_grad;
  super_.set_architecture(architecture);
  const model::ParameterStore& store = super_.parameters();
  const bool separate = store.find("decoder.embed_out") >= 0;
  const std::string table = separate ? "decoder.embed_out" : "decoder.embed_tokens.weight";
  const int64_t vocabulary = super_.spec().vocabulary.target;
  double sum = 0;
  for (const TensorBatch& batch : set.batches()) {
    const at::Tensor states = hidden(batch);
    const at::Tensor logits = at::linear(states, weight(table, vocabulary, states.size(-1)));
    const at::Tensor log_p = logits.log_softmax(-1).view({-1, vocabulary});
    const at::Tensor target = batch.target.reshape({-1, 1});
    const at::Tensor real = target.ne(model::kPadId);
    const at::Tensor nll = -log_p.gather(1, target).masked_select(real).sum();
    const at::Tensor smooth = -log_p.sum(1, true).masked_select(real).sum();
    sum += (1 - label_smoothing) * nll.item<double>() +
           label_smoothing / static_cast<double>(vocabulary) * smooth.item<double>();
  }
  return sum / static_cast<double>(set.tokens());
}

}  // namespace hat::train
