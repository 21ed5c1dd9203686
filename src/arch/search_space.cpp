#include "hat/arch/search_space.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <set>

#include "gene_table.h"
#include "hat/base/error.h"
#include "hat/base/install.h"
#include "hat/base/strings.h"
#include "original_yaml.h"
#include "space_reader.h"

namespace hat::arch {
namespace {

constexpr const char* kShipped[] = {"tiny", "mini", "small", "iwslt", "wmt", "hat-latency"};

fs::path shipped_space_path(const std::string& name) {
  const fs::path configs = configs_directory();
  const fs::path path = configs / "spaces" / (name + ".json");
  std::error_code error;
  HAT_CHECK(!configs.empty() && fs::exists(path, error), ErrorKind::kIo,
            str("the shipped space '", name, "' is not installed beside the program"),
            "Reinstall hat, or give the path of a space's file.");
  return path;
}

using Count = unsigned __int128;
constexpr Count kCountLimit = static_cast<Count>(1) << 127;

std::string count_text(Count value) {
  std::string digits;
  do {
    digits.insert(digits.begin(), static_cast<char>('0' + static_cast<int>(value % 10)));
    value /= 10;
  } while (value != 0);
  return digits;
}

}  // namespace

SearchSpace SearchSpace::from_json(const config::Json& json, const std::string& origin) {
  return SpaceReader::build(describe_json_space(json, origin), origin);
}

SearchSpace SearchSpace::load(const fs::path& path) {
  const std::string origin = path.string();
  SpaceDescription description;
  if (is_original_yaml(path)) {
    description =
        describe_original_space(parse_original_yaml(read_file(path, 1 << 24), origin), origin);
  } else {
    description = describe_json_space(config::load_json(path), origin);
  }
  if (description.name.empty()) description.name = path.stem().string();
  return SpaceReader::build(std::move(description), origin);
}

std::vector<std::string> SearchSpace::shipped_names() {
  return {std::begin(kShipped), std::end(kShipped)};
}

SearchSpace SearchSpace::named(const std::string& name, const fs::path& workspace) {
  const std::vector<std::string> shipped = shipped_names();
  if (std::find(shipped.begin(), shipped.end(), name) != shipped.end()) {
    return load(shipped_space_path(name));
  }
  const bool is_path = name.find('/') != std::string::npos || fs::path(name).has_extension();
  HAT_CHECK(is_path, ErrorKind::kConfig,
            str("unknown space '", name, "'.", did_you_mean(name, shipped)),
            str("Shipped: ", join(shipped, ", "), "; or give the path of a space's file."));
  const fs::path path = workspace.empty() ? fs::path(name) : workspace / name;
  HAT_CHECK(fs::exists(path), ErrorKind::kIo, str(path.string(), ": no such space file"),
            str("Shipped spaces: ", join(shipped, ", "), "."));
  return load(path);
}

config::OrderedJson SearchSpace::to_json() const {
  config::OrderedJson model = arch::to_json(options_);
  if (head_dim_ > 0) model["head_dim"] = head_dim_;
  config::OrderedJson genes = config::OrderedJson::object();
  config::OrderedJson super = config::OrderedJson::object();
  for (const Gene& gene : genes_) {
    const GeneTarget* target = find_gene_target(gene.name);
    const bool derived = head_dim_ > 0 && gene.name.ends_with("heads");
    if (!derived) genes[gene.name] = gene.choices;
    if (target->encoder_field != nullptr) {
      super[gene.name] = super_.encoder.front().*target->encoder_field;
    } else if (target->decoder_field != nullptr) {
      super[gene.name] = super_.decoder.front().*target->decoder_field;
    } else {
      switch (target->kind) {
        case GeneTarget::Kind::kEncoderWidth:
          super[gene.name] = super_.encoder_embed_dim;
          break;
        case GeneTarget::Kind::kEncoderDepth:
          super[gene.name] = super_.encoder.size();
          break;
        case GeneTarget::Kind::kDecoderWidth:
          super[gene.name] = super_.decoder_embed_dim;
          break;
        default:
          super[gene.name] = super_.decoder.size();
      }
    }
  }
  return {{"format", "hat-space"}, {"version", 1},
          {"name", name_},         {"family", family_ == Family::kSeq2Seq ? "seq2seq" : "encoder"},
          {"model", model},        {"genes", genes},
          {"super", super}};
}

std::string SearchSpace::id() const {
  config::OrderedJson json = to_json();
  json.erase("name");
  char digits[17];
  std::snprintf(digits, sizeof digits, "%016llx",
                static_cast<unsigned long long>(hash64(json.dump())));
  return digits;
}

int SearchSpace::choices_at(size_t slot) const {
  return static_cast<int>(genes_[slots_[slot].gene].choices.size());
}

int SearchSpace::value(const Genotype& genotype, int gene, int layer) const {
  const Gene& of = genes_[gene];
  if (of.choices.size() == 1) return of.choices.front();
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    if (slots_[slot].gene == gene && slots_[slot].layer == layer) {
      HAT_DCHECK(genotype[slot] < of.choices.size());
      return of.choices[genotype[slot]];
    }
  }
  fail(ErrorKind::kInternal, str("no slot for gene ", of.name, " of layer ", layer));
}

Architecture SearchSpace::decode(const Genotype& genotype) const {
  HAT_DCHECK(genotype.size() == slots_.size());
  Architecture a;
  a.family = family_;
  for (size_t g = 0; g < genes_.size(); ++g) {
    const int gene = static_cast<int>(g);
    const GeneTarget& target = *find_gene_target(genes_[g].name);
    switch (target.kind) {
      case GeneTarget::Kind::kEncoderWidth:
        a.encoder_embed_dim = value(genotype, gene, -1);
        break;
      case GeneTarget::Kind::kEncoderDepth:
        a.encoder.resize(value(genotype, gene, -1));
        break;
      case GeneTarget::Kind::kDecoderWidth:
        a.decoder_embed_dim = value(genotype, gene, -1);
        break;
      case GeneTarget::Kind::kDecoderDepth:
        a.decoder.resize(value(genotype, gene, -1));
        break;
      case GeneTarget::Kind::kLayerField:
        break;
    }
  }
  for (size_t g = 0; g < genes_.size(); ++g) {
    const int gene = static_cast<int>(g);
    const GeneTarget& target = *find_gene_target(genes_[g].name);
    for (size_t i = 0; target.encoder_field != nullptr && i < a.encoder.size(); ++i) {
      a.encoder[i].*target.encoder_field = value(genotype, gene, static_cast<int>(i));
    }
    for (size_t i = 0; target.decoder_field != nullptr && i < a.decoder.size(); ++i) {
      a.decoder[i].*target.decoder_field = value(genotype, gene, static_cast<int>(i));
    }
  }
  if (head_dim_ > 0) {
    for (EncoderLayer& layer : a.encoder) layer.heads = layer.qkv_dim / head_dim_;
    for (DecoderLayer& layer : a.decoder) {
      layer.self_heads = layer.self_qkv_dim / head_dim_;
      layer.cross_heads = layer.cross_qkv_dim / head_dim_;
    }
  }
  if (!options_.compat) {
    for (DecoderLayer& layer : a.decoder) {
      layer.cross_span = std::min(layer.cross_span, static_cast<int>(a.encoder.size()));
    }
  }
  return a;
}

bool SearchSpace::is_alive(const Genotype& genotype, size_t slot) const {
  const GeneSlot& s = slots_[slot];
  if (s.layer < 0) return true;
  const char* depth =
      genes_[s.gene].scope == Scope::kEncoderLayer ? "encoder.layers" : "decoder.layers";
  for (size_t g = 0; g < genes_.size(); ++g) {
    if (genes_[g].name == depth) return s.layer < value(genotype, static_cast<int>(g), -1);
  }
  return false;
}

Genotype SearchSpace::encode(const Architecture& a) const {
  HAT_CHECK(a.family == family_, ErrorKind::kConfig,
            str("the architecture is not of space '", name_, "': another family"));
  Genotype genotype(slots_.size(), 0);
  const auto index_of = [&](const Gene& gene, int wanted, const std::string& where) {
    for (size_t i = 0; i < gene.choices.size(); ++i) {
      const bool clamped = gene.name == "decoder.cross_span" && !options_.compat;
      const int offered =
          clamped ? std::min(gene.choices[i], static_cast<int>(a.encoder.size())) : gene.choices[i];
      if (offered == wanted) return static_cast<uint8_t>(i);
    }
    fail(ErrorKind::kConfig,
         str("the architecture is not of space '", name_, "': ", gene.name, where, " is ", wanted,
             ", and the space offers ", config::Json(gene.choices).dump()));
  };
  const auto store = [&](int gene, int layer, uint8_t index) {
    for (size_t slot = 0; slot < slots_.size(); ++slot) {
      if (slots_[slot].gene == gene && slots_[slot].layer == layer) genotype[slot] = index;
    }
  };
  for (size_t g = 0; g < genes_.size(); ++g) {
    const Gene& gene = genes_[g];
    const GeneTarget& target = *find_gene_target(gene.name);
    const int index = static_cast<int>(g);
    const bool derived = head_dim_ > 0 && gene.name.ends_with("heads");
    switch (target.kind) {
      case GeneTarget::Kind::kEncoderWidth:
        store(index, -1, index_of(gene, a.encoder_embed_dim, ""));
        break;
      case GeneTarget::Kind::kEncoderDepth:
        store(index, -1, index_of(gene, static_cast<int>(a.encoder.size()), ""));
        break;
      case GeneTarget::Kind::kDecoderWidth:
        store(index, -1, index_of(gene, a.decoder_embed_dim, ""));
        break;
      case GeneTarget::Kind::kDecoderDepth:
        store(index, -1, index_of(gene, static_cast<int>(a.decoder.size()), ""));
        break;
      case GeneTarget::Kind::kLayerField:
        if (derived) break;
        for (size_t i = 0; target.encoder_field != nullptr && i < a.encoder.size(); ++i) {
          store(index, static_cast<int>(i),
                index_of(gene, a.encoder[i].*target.encoder_field, str(" of layer ", i)));
        }
        for (size_t i = 0; target.decoder_field != nullptr && i < a.decoder.size(); ++i) {
          store(index, static_cast<int>(i),
                index_of(gene, a.decoder[i].*target.decoder_field, str(" of layer ", i)));
        }
    }
  }
  HAT_CHECK(
      decode(genotype) == a, ErrorKind::kConfig,
      str("the architecture is not of space '", name_, "': its heads are not those of the space"));
  return genotype;
}

bool SearchSpace::contains(const Architecture& architecture) const {
  try {
    encode(architecture);
    return true;
  } catch (const Error&) {
    return false;
  }
}

Architecture SearchSpace::pick(double position) const {
  Genotype genotype(slots_.size());
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    const std::vector<int>& choices = genes_[slots_[slot].gene].choices;
    std::vector<int> sorted = choices;
    std::sort(sorted.begin(), sorted.end());
    const int wanted = sorted[static_cast<size_t>(std::lround(position * (sorted.size() - 1)))];
    genotype[slot] =
        static_cast<uint8_t>(std::find(choices.begin(), choices.end(), wanted) - choices.begin());
  }
  return decode(genotype);
}

Architecture SearchSpace::largest() const { return pick(1.0); }
Architecture SearchSpace::smallest() const { return pick(0.0); }
Architecture SearchSpace::middle() const { return pick(0.5); }

Genotype SearchSpace::sample(Rng& rng) const {
  Genotype genotype(slots_.size());
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    genotype[slot] = static_cast<uint8_t>(rng.below(static_cast<uint64_t>(choices_at(slot))));
  }
  return genotype;
}

Genotype SearchSpace::mutate(const Genotype& parent, double probability, Rng& rng) const {
  Genotype child = parent;
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    if (rng.chance(probability)) {
      child[slot] = static_cast<uint8_t>(rng.below(static_cast<uint64_t>(choices_at(slot))));
    }
  }
  return child;
}

Genotype SearchSpace::crossover(const Genotype& a, const Genotype& b, Rng& rng) const {
  Genotype child = a;
  for (size_t slot = 0; slot < slots_.size(); ++slot) {
    if (rng.chance(0.5)) child[slot] = b[slot];
  }
  return child;
}

std::string SearchSpace::count() const {
  bool overflow = false;
  const auto times = [&](Count a, Count b) {
    if (b != 0 && a > kCountLimit / b) overflow = true;
    return overflow ? Count{0} : a * b;
  };
  Count model = 1;
  std::vector<int> encoder_depths = {0};
  std::vector<int> decoder_depths = {0};
  Count encoder_layer = 1;
  Count decoder_layer = 1;  // without the span, which depends on the encoder's depth
  std::vector<int> spans = {1};
  for (const Gene& gene : genes_) {
    if (gene.name == "encoder.layers") {
      encoder_depths = gene.choices;
    } else if (gene.name == "decoder.layers") {
      decoder_depths = gene.choices;
    } else if (gene.name == "decoder.cross_span") {
      spans = gene.choices;
    } else {
      Count& of = gene.scope == Scope::kModel          ? model
                  : gene.scope == Scope::kEncoderLayer ? encoder_layer
                                                       : decoder_layer;
      of = times(of, gene.choices.size());
    }
  }
  Count total = 0;
  for (int encoder_depth : encoder_depths) {
    std::set<int> distinct;
    for (int span : spans) distinct.insert(options_.compat ? span : std::min(span, encoder_depth));
    const Count per_layer = times(decoder_layer, distinct.size());
    Count encoder = model;
    for (int i = 0; i < encoder_depth; ++i) encoder = times(encoder, encoder_layer);
    for (int decoder_depth : decoder_depths) {
      Count both = encoder;
      for (int i = 0; i < decoder_depth; ++i) both = times(both, per_layer);
      if (total > kCountLimit - both) overflow = true;
      total += both;
    }
  }
  if (!overflow) return count_text(total);
  char text[32];
  std::snprintf(text, sizeof text, "%.3e", approximate_count());
  return text;
}

double SearchSpace::approximate_count() const {
  double model = 1;
  double encoder_layer = 1;
  double decoder_layer = 1;
  std::vector<int> encoder_depths = {0};
  std::vector<int> decoder_depths = {0};
  for (const Gene& gene : genes_) {
    if (gene.name == "encoder.layers") {
      encoder_depths = gene.choices;
    } else if (gene.name == "decoder.layers") {
      decoder_depths = gene.choices;
    } else {
      double& of = gene.scope == Scope::kModel          ? model
                   : gene.scope == Scope::kEncoderLayer ? encoder_layer
                                                        : decoder_layer;
      of *= static_cast<double>(gene.choices.size());
    }
  }
  double total = 0;
  for (int e : encoder_depths) {
    for (int d : decoder_depths) {
      total += model * std::pow(encoder_layer, e) * std::pow(decoder_layer, d);
    }
  }
  return total;
}

std::vector<int> cross_memory_pieces(const Architecture& a, int layer, const ModelOptions& options,
                                     int super_encoder_layers) {
  HAT_DCHECK(layer >= 0 && layer < static_cast<int>(a.decoder.size()));
  const int span = a.decoder[layer].cross_span;
  const int active = static_cast<int>(a.encoder.size());
  std::vector<int> pieces = {kFinalOutput};
  for (int back = 1; back < span; ++back) {
    if (options.compat) {
      const int slot = super_encoder_layers - 1 - back;
      HAT_CHECK(slot >= 0, ErrorKind::kConfig,
                str("decoder layer ", layer, " attends to the last ", span,
                    " encoder layers, and the SuperTransformer has ", super_encoder_layers));
      // Inactive slots repeat the output of the last active layer.
      pieces.push_back(std::min(slot, active - 1));
    } else if (active - 1 - back >= 0) {
      pieces.push_back(active - 1 - back);
    }
  }
  return pieces;
}

}  // namespace hat::arch
