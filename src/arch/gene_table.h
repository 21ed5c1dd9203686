#pragma once

#include <string_view>
#include <vector>

#include "hat/arch/search_space.h"

namespace hat::arch {

/// What a gene sets in an Architecture. A new gene is one line in gene_table.cpp (and its meaning
/// in model and edge).
struct GeneTarget {
  const char* name;
  Scope scope;
  enum class Kind { kEncoderWidth, kEncoderDepth, kDecoderWidth, kDecoderDepth, kLayerField } kind;
  int EncoderLayer::*encoder_field = nullptr;
  int DecoderLayer::*decoder_field = nullptr;
  int minimum = 1;
  int maximum = 1 << 16;
};

/// All genes that exist, in the order of the original's genotype.
const std::vector<GeneTarget>& gene_targets();
const GeneTarget* find_gene_target(std::string_view name);
/// Index into gene_targets(); the name must exist.
int gene_index(std::string_view name);

}  // namespace hat::arch
