#include "gene_table.h"

#include "hat/base/error.h"

namespace hat::arch {

const std::vector<GeneTarget>& gene_targets() {
  using Kind = GeneTarget::Kind;
  static const std::vector<GeneTarget> targets = {
      {"encoder.embed_dim", Scope::kModel, Kind::kEncoderWidth},
      {"encoder.layers", Scope::kModel, Kind::kEncoderDepth, nullptr, nullptr, 1, 64},
      {"encoder.ffn_dim", Scope::kEncoderLayer, Kind::kLayerField, &EncoderLayer::ffn_dim},
      {"encoder.heads", Scope::kEncoderLayer, Kind::kLayerField, &EncoderLayer::heads, nullptr, 1,
       256},
      {"encoder.qkv_dim", Scope::kEncoderLayer, Kind::kLayerField, &EncoderLayer::qkv_dim},
      {"decoder.embed_dim", Scope::kModel, Kind::kDecoderWidth},
      {"decoder.layers", Scope::kModel, Kind::kDecoderDepth, nullptr, nullptr, 1, 64},
      {"decoder.ffn_dim", Scope::kDecoderLayer, Kind::kLayerField, nullptr, &DecoderLayer::ffn_dim},
      {"decoder.self_heads", Scope::kDecoderLayer, Kind::kLayerField, nullptr,
       &DecoderLayer::self_heads, 1, 256},
      {"decoder.self_qkv_dim", Scope::kDecoderLayer, Kind::kLayerField, nullptr,
       &DecoderLayer::self_qkv_dim},
      {"decoder.cross_heads", Scope::kDecoderLayer, Kind::kLayerField, nullptr,
       &DecoderLayer::cross_heads, 1, 256},
      {"decoder.cross_qkv_dim", Scope::kDecoderLayer, Kind::kLayerField, nullptr,
       &DecoderLayer::cross_qkv_dim},
      {"decoder.cross_span", Scope::kDecoderLayer, Kind::kLayerField, nullptr,
       &DecoderLayer::cross_span, 1, 3},
  };
  return targets;
}

const GeneTarget* find_gene_target(std::string_view name) {
  for (const GeneTarget& target : gene_targets()) {
    if (target.name == name) return &target;
  }
  return nullptr;
}

int gene_index(std::string_view name) {
  const GeneTarget* target = find_gene_target(name);
  HAT_DCHECK(target != nullptr);
  return static_cast<int>(target - gene_targets().data());
}

}  // namespace hat::arch
