#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hat/arch/architecture.h"
#include "hat/base/rng.h"

namespace hat::arch {

/// Properties of the network that are not searched. They belong to the space because a
/// SubTransformer of it makes no sense without them.
struct ModelOptions {
  bool pre_norm = false;  ///< layer norm at the input of each block and one after each stack
  enum class Embeddings {
    kShared,    ///< one table for encoder input, decoder input and output
    kDecoder,   ///< decoder input and output share one, the encoder has its own
    kSeparate,  ///< three tables
  };
  Embeddings embeddings = Embeddings::kShared;
  std::string activation = "relu";  ///< "relu" or "gelu" (the exact one, with erf)
  double layer_norm_epsilon = 1e-5;
  int max_positions = 1024;
  /// The original's semantics to the bit: sinusoids of the SuperTransformer's width cut to the
  /// SubTransformer's, repeated memory when the encoder is shallower than the SuperTransformer's,
  /// unscaled dropout behind encoder self-attention. Off: nested positions (see docs/compat.md),
  /// spans cut to the layers that exist, all residual dropouts scaled alike.
  bool compat = false;
  bool scale_embeddings_by_super = false;  ///< sqrt of the Super's width (--vocab-original-scaling)
  bool operator==(const ModelOptions&) const = default;
};
/// The "model" object of a space file: {"norm": "post", "embeddings": "shared", ...}.
config::OrderedJson to_json(const ModelOptions& options);
ModelOptions model_options_from_json(const config::Json& json, const std::string& origin);

/// Whether a gene exists once in the network or once in every layer of a stack.
enum class Scope { kModel, kEncoderLayer, kDecoderLayer };

/// One searchable property: its name ("decoder.ffn_dim"), where it lives, and its choices in the
/// order of the file.
struct Gene {
  std::string name;
  Scope scope;
  std::vector<int> choices;
  bool operator==(const Gene&) const = default;
};

/// A point of the space as search sees it: one choice index for every gene slot, layers that are
/// not active included. Search algorithms know nothing else.
using Genotype = std::vector<uint8_t>;

/// One position of a genotype.
struct GeneSlot {
  int gene = 0;    ///< index into genes()
  int layer = -1;  ///< layer of the stack, -1 for a gene of the whole network
};

/// Everything a SuperTransformer can be cut to: genes with their choices, and the network options.
class SearchSpace {
 public:
  /// Genes absent from a file follow from others (docs/spaces.md). Throws kConfig naming `origin`
  /// and the key.
  static SearchSpace from_json(const config::Json& json, const std::string& origin);
  /// hat's JSON or the original's YAML of a SuperTransformer.
  static SearchSpace load(const fs::path& path);
  /// A shipped space ("small"), or a file when the name has a slash or an extension (relative to
  /// `workspace` when given).
  static SearchSpace named(const std::string& name, const fs::path& workspace = {});
  static std::vector<std::string> shipped_names();
  config::OrderedJson to_json() const;

  const std::string& name() const { return name_; }
  Family family() const { return family_; }
  const ModelOptions& options() const { return options_; }
  const std::vector<Gene>& genes() const { return genes_; }
  /// The SuperTransformer's own sizes: at least the largest choice of every gene.
  const Architecture& super() const { return super_; }
  /// 16 hexadecimal digits over genes, options and super: data measured or trained in one space is
  /// refused by another.
  std::string id() const;

  const std::vector<GeneSlot>& slots() const { return slots_; }
  int choices_at(size_t slot) const;
  /// True when the slot's value matters for this genotype (its layer is active).
  bool is_alive(const Genotype& genotype, size_t slot) const;
  /// The network of a genotype, spans cut to the encoder layers that exist (not in compat mode,
  /// where repeated memory is another network). Values out of range are an internal error.
  Architecture decode(const Genotype& genotype) const;
  /// A genotype of the architecture (dead slots take the first choice); throws kConfig naming the
  /// first property that is outside the space.
  Genotype encode(const Architecture& architecture) const;
  bool contains(const Architecture& architecture) const;

  /// Largest, smallest and middle choice of every gene.
  Architecture largest() const;
  Architecture smallest() const;
  Architecture middle() const;
  /// Every slot uniform, as the original samples.
  Genotype sample(Rng& rng) const;
  /// Each slot replaced with `probability` by a uniform choice (it may be the same value), as the
  /// original mutates.
  Genotype mutate(const Genotype& parent, double probability, Rng& rng) const;
  /// Each slot from either parent with probability 1/2.
  Genotype crossover(const Genotype& a, const Genotype& b, Rng& rng) const;
  /// Number of different networks, exact when it fits 127 bits ("417846678672384"), else "1.9e45".
  std::string count() const;
  double approximate_count() const;

 private:
  friend class SpaceReader;
  int value(const Genotype& genotype, int gene, int layer) const;
  Architecture pick(double position) const;

  std::string name_;
  Family family_ = Family::kSeq2Seq;
  ModelOptions options_;
  int head_dim_ = 0;  ///< not 0: heads follow from qkv widths
  std::vector<Gene> genes_;
  std::vector<GeneSlot> slots_;
  Architecture super_;
};

/// The architecture that the original draws at an update of SuperTransformer training: CPython's
/// random seeded with the update's number, drawn in the original's order.
/// Only for spaces with exactly the original's genes.
Architecture sample_like_original(const SearchSpace& space, uint64_t update);

/// Which encoder outputs feed the cross-attention of decoder layer `layer`, in order of
/// concatenation along time: kFinalOutput for the encoder's output (after a final norm), else the
/// index of an active encoder layer whose raw output is used. `super_encoder_layers` matters in
/// compat mode only (inactive slots repeat the last active layer).
inline constexpr int kFinalOutput = -1;
std::vector<int> cross_memory_pieces(const Architecture& architecture, int layer,
                                     const ModelOptions& options, int super_encoder_layers);

}  // namespace hat::arch
