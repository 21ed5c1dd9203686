#pragma once

#include <map>
#include <string>
#include <vector>

#include "hat/model/transformer.h"
#include "model/ops.h"

namespace hat::model {

/// Where an attention block's weights lie in the store. Query, key and value are either three row
/// groups of one stacked matrix or three matrices (cross-attention between stacks of unequal
/// capacity).
struct AttentionLayout {
  struct Projection {
    int weight = -1;
    int weight_group = 0;
  };
  Projection q, k, v;
  int in_bias = -1;
  int out_weight = -1;
  int out_bias = -1;
};
struct NormLayout {
  int gamma = -1;
  int beta = -1;
};
struct LayerLayout {
  AttentionLayout self;
  NormLayout self_norm;
  AttentionLayout cross;  ///< decoder only
  NormLayout cross_norm;
  int fc1_weight = -1, fc1_bias = -1, fc2_weight = -1, fc2_bias = -1;
  NormLayout final_norm;
};

/// The parameters of a network by fairseq's names, in the order of the forward pass, and their
/// indices.
struct Layout {
  explicit Layout(const NetworkSpec& spec);

  std::vector<Parameter> parameters;  ///< handed to the ParameterStore
  std::map<std::string, std::string> aliases;
  int encoder_table = -1;
  int decoder_table = -1;
  int output_table = -1;
  std::vector<LayerLayout> encoder;
  std::vector<LayerLayout> decoder;
  NormLayout encoder_norm;  ///< pre-norm only
  NormLayout decoder_norm;

 private:
  int add(const std::string& name, int64_t rows, int64_t cols, int groups = 1);
  int add_vector(const std::string& name, int64_t rows, int groups = 1);
  NormLayout add_norm(const std::string& name, int64_t dim);
  AttentionLayout add_attention(const std::string& name, int64_t qkv, int64_t dim,
                                int64_t memory_dim);
  void add_feed_forward(LayerLayout* layer, const std::string& name, int64_t dim, int64_t ffn);
  void add_encoder(const NetworkSpec& spec);
  void add_decoder(const NetworkSpec& spec);
  void add_tables(const NetworkSpec& spec);
};

/// The slices that one architecture uses.
struct AttentionSlices {
  LinearSlices q, k, v, out;
  int64_t heads = 0;
};
struct LayerSlices {
  AttentionSlices self;
  NormSlices self_norm;
  AttentionSlices cross;  ///< decoder only
  NormSlices cross_norm;
  LinearSlices fc1, fc2;
  NormSlices final_norm;
};
struct NetworkSlices {
  Slice encoder_table, decoder_table, output_table;
  std::vector<LayerSlices> encoder, decoder;
  NormSlices encoder_norm, decoder_norm;
};
NetworkSlices cut(const Layout& layout, const NetworkSpec& spec,
                  const arch::Architecture& architecture);
/// Every slice once, in an order that depends on the architecture alone: equal positions of the
/// lists of two networks are the same weights.
std::vector<Slice> flatten(const NetworkSlices& slices, const arch::ModelOptions& options);

}  // namespace hat::model
