#include "space_reader.h"

#include <algorithm>
#include <limits>

#include "gene_table.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/schema.h"

namespace hat::arch {
namespace {

using config::Json;

std::vector<std::string> gene_names() {
  std::vector<std::string> names;
  for (const GeneTarget& target : gene_targets()) names.emplace_back(target.name);
  return names;
}

std::vector<int> int_list(const Json& json, const std::string& origin, const std::string& key) {
  std::vector<int> values;
  const auto add = [&](const Json& element) {
    HAT_CHECK(element.is_number_integer() && element >= -1 && element <= 1 << 20,
              ErrorKind::kConfig, str(origin, ": ", key, ": must be whole numbers"));
    values.push_back(element.get<int>());
  };
  if (json.is_array()) {
    for (const Json& element : json) add(element);
  } else {
    add(json);
  }
  HAT_CHECK(!values.empty() && values.size() <= 255, ErrorKind::kConfig,
            str(origin, ": ", key, ": needs 1 to 255 choices"));
  return values;
}

void read_options(const Json& model, ModelOptions& o, int& head_dim, const std::string& origin) {
  std::string norm = "post";
  std::string embeddings = "shared";
  config::Schema schema;
  schema.field("norm", norm, "Where layer norm stands").one_of({"post", "pre"});
  schema.field("embeddings", embeddings, "Which word tables are one")
      .one_of({"shared", "decoder", "separate"});
  schema.field("activation", o.activation, "Of the feed-forward network").one_of({"relu", "gelu"});
  schema.field("layer_norm_epsilon", o.layer_norm_epsilon, "Added to the variance")
      .range(1e-12, 1e-1);
  schema.field("max_positions", o.max_positions, "Longest sentence in tokens").range(8, 65536);
  schema.field("compat", o.compat, "The original's semantics to the bit");
  schema.field("scale_embeddings_by_super", o.scale_embeddings_by_super,
               "Scale words by the SuperTransformer's width");
  schema.field("head_dim", head_dim, "Heads follow from qkv widths; 0: heads are genes")
      .range(0, 1024);
  config::read_json(schema, model, origin + ": model");
  o.pre_norm = norm == "pre";
  o.embeddings = embeddings == "shared"    ? ModelOptions::Embeddings::kShared
                 : embeddings == "decoder" ? ModelOptions::Embeddings::kDecoder
                                           : ModelOptions::Embeddings::kSeparate;
}

bool in_family(const GeneTarget& target, Family family) {
  return family == Family::kSeq2Seq || std::string_view(target.name).starts_with("encoder.");
}

/// With head_dim given, the heads genes follow from their qkv genes.
void derive_heads(SpaceDescription& d, const std::string& heads, const std::string& qkv,
                  const std::string& origin) {
  HAT_CHECK(d.choices.count(heads) == 0, ErrorKind::kConfig,
            str(origin, ": genes: '", heads, "' follows from model.head_dim"),
            "Leave one of the two out.");
  const auto it = d.choices.find(qkv);
  HAT_CHECK(it != d.choices.end(), ErrorKind::kConfig,
            str(origin, ": genes: '", qkv, "' is missing"));
  int largest = 0;
  for (int width : it->second) {
    HAT_CHECK(
        width % d.head_dim == 0, ErrorKind::kConfig,
        str(origin, ": ", qkv, ": ", width, " is no multiple of model.head_dim ", d.head_dim));
    largest = std::max(largest, width / d.head_dim);
  }
  d.choices[heads] = {largest};  // the real number is set by decode()
}

void check_heads(const SpaceDescription& d, const std::string& heads, const std::string& qkv,
                 const std::string& origin) {
  if (d.head_dim > 0) return;
  for (int width : d.choices.at(qkv)) {
    for (int count : d.choices.at(heads)) {
      HAT_CHECK(width % count == 0, ErrorKind::kConfig,
                str(origin, ": ", heads, " ", count, " does not divide ", qkv, " ", width));
    }
  }
}

constexpr const char* kAttention[3][2] = {{"encoder.heads", "encoder.qkv_dim"},
                                          {"decoder.self_heads", "decoder.self_qkv_dim"},
                                          {"decoder.cross_heads", "decoder.cross_qkv_dim"}};

}  // namespace

SpaceDescription describe_json_space(const Json& json, const std::string& origin) {
  HAT_CHECK(json.is_object(), ErrorKind::kConfig, str(origin, ": must be a JSON object"));
  const std::vector<std::string> known = {"format", "version", "name",  "family",
                                          "model",  "genes",   "super", "about"};
  for (const auto& [key, value] : json.items()) {
    HAT_CHECK(key.starts_with("_") || std::find(known.begin(), known.end(), key) != known.end(),
              ErrorKind::kConfig,
              str(origin, ": unknown key '", key, "'.", did_you_mean(key, known)));
  }
  SpaceDescription d;
  HAT_CHECK(!json.contains("version") || json["version"] == 1, ErrorKind::kConfig,
            str(origin, ": a space of a version this hat does not know"));
  d.name = json.contains("name") && json["name"].is_string() ? json["name"].get<std::string>() : "";
  const Json family = json.value("family", Json("seq2seq"));
  HAT_CHECK(family == "seq2seq" || family == "encoder", ErrorKind::kConfig,
            str(origin, ": family must be seq2seq or encoder"));
  d.family = family == "seq2seq" ? Family::kSeq2Seq : Family::kEncoder;
  if (json.contains("model")) read_options(json["model"], d.options, d.head_dim, origin);
  HAT_CHECK(json.contains("genes") && json["genes"].is_object(), ErrorKind::kConfig,
            str(origin, ": 'genes' is missing"), "docs/spaces.md shows the form.");
  for (const auto& [name, choices] : json["genes"].items()) {
    HAT_CHECK(find_gene_target(name) != nullptr, ErrorKind::kConfig,
              str(origin, ": genes: unknown gene '", name, "'.", did_you_mean(name, gene_names())));
    d.choices[name] = int_list(choices, origin, "genes." + name);
  }
  if (json.contains("super")) {
    HAT_CHECK(json["super"].is_object(), ErrorKind::kConfig,
              str(origin, ": 'super' must be an object"));
    for (const auto& [name, value] : json["super"].items()) {
      HAT_CHECK(
          find_gene_target(name) != nullptr, ErrorKind::kConfig,
          str(origin, ": super: unknown gene '", name, "'.", did_you_mean(name, gene_names())));
      d.super[name] = int_list(value, origin, "super." + name).front();
    }
  }
  return d;
}

SpaceDescription describe_original_space(const Json& yaml, const std::string& origin) {
  SpaceDescription d;
  d.options.compat = true;
  d.options.embeddings = ModelOptions::Embeddings::kSeparate;
  const auto flag = [&](const char* key) { return yaml.value(key, Json(false)) == true; };
  if (flag("share-all-embeddings")) {
    d.options.embeddings = ModelOptions::Embeddings::kShared;
  } else if (flag("share-decoder-input-output-embed")) {
    d.options.embeddings = ModelOptions::Embeddings::kDecoder;
  }
  HAT_CHECK(flag("encoder-normalize-before") == flag("decoder-normalize-before"),
            ErrorKind::kConfig,
            str(origin, ": encoder and decoder must both be pre-norm or both post-norm"));
  d.options.pre_norm = flag("encoder-normalize-before");
  d.options.scale_embeddings_by_super = flag("vocab-original-scaling");
  if (yaml.contains("activation-fn") && yaml["activation-fn"].is_string()) {
    d.options.activation = yaml["activation-fn"];
    HAT_CHECK(d.options.activation == "relu" || d.options.activation == "gelu", ErrorKind::kConfig,
              str(origin, ": activation-fn: must be relu or gelu"));
  }
  const std::pair<const char*, const char*> lists[] = {
      {"encoder.embed_dim", "encoder-embed-choice"},
      {"encoder.layers", "encoder-layer-num-choice"},
      {"encoder.ffn_dim", "encoder-ffn-embed-dim-choice"},
      {"encoder.heads", "encoder-self-attention-heads-choice"},
      {"decoder.embed_dim", "decoder-embed-choice"},
      {"decoder.layers", "decoder-layer-num-choice"},
      {"decoder.ffn_dim", "decoder-ffn-embed-dim-choice"},
      {"decoder.self_heads", "decoder-self-attention-heads-choice"},
      {"decoder.cross_heads", "decoder-ende-attention-heads-choice"},
      {"decoder.cross_span", "decoder-arbitrary-ende-attn-choice"}};
  for (const auto& [gene, key] : lists) {
    HAT_CHECK(yaml.contains(key), ErrorKind::kConfig,
              str(origin, ": '", key, "' is missing, so this is not a SuperTransformer's file"));
    d.choices[gene] = int_list(yaml[key], origin, key);
  }
  for (int& span : d.choices["decoder.cross_span"]) {
    HAT_CHECK(span == -1 || span == 1 || span == 2, ErrorKind::kConfig,
              str(origin, ": decoder-arbitrary-ende-attn-choice: must be -1, 1 or 2"));
    span = span == -1 ? 1 : span + 1;
  }
  const std::pair<const char*, const char*> sizes[] = {
      {"encoder.embed_dim", "encoder-embed-dim"},
      {"encoder.ffn_dim", "encoder-ffn-embed-dim"},
      {"encoder.layers", "encoder-layers"},
      {"encoder.heads", "encoder-attention-heads"},
      {"decoder.embed_dim", "decoder-embed-dim"},
      {"decoder.ffn_dim", "decoder-ffn-embed-dim"},
      {"decoder.layers", "decoder-layers"},
      {"decoder.self_heads", "decoder-attention-heads"},
      {"decoder.cross_heads", "decoder-attention-heads"}};
  for (const auto& [gene, key] : sizes) {
    if (yaml.contains(key)) d.super[gene] = int_list(yaml[key], origin, key).front();
  }
  // Fixed at 512 where the file does not say; see hat-spec section 1.
  const std::vector<int> qkv = {
      yaml.contains("qkv-dim") ? int_list(yaml["qkv-dim"], origin, "qkv-dim").front() : 512};
  for (const auto& attention : kAttention) d.choices[attention[1]] = qkv;
  return d;
}

SearchSpace SpaceReader::build(SpaceDescription d, const std::string& origin) {
  SearchSpace space;
  space.name_ = d.name;
  space.family_ = d.family;
  space.options_ = d.options;
  space.head_dim_ = d.head_dim;
  const bool seq2seq = d.family == Family::kSeq2Seq;
  for (int i = 0; i < (seq2seq ? 3 : 1); ++i) {
    if (d.head_dim > 0) derive_heads(d, kAttention[i][0], kAttention[i][1], origin);
  }
  if (seq2seq) d.choices.try_emplace("decoder.cross_span", std::vector<int>{1});
  std::map<std::string, int> super;
  for (const GeneTarget& target : gene_targets()) {
    const auto it = d.choices.find(target.name);
    if (!in_family(target, d.family)) {
      HAT_CHECK(
          it == d.choices.end(), ErrorKind::kConfig,
          str(origin, ": genes: '", target.name, "' does not exist in an encoder-only space"));
      continue;
    }
    HAT_CHECK(it != d.choices.end(), ErrorKind::kConfig,
              str(origin, ": genes: '", target.name, "' is missing"),
              "docs/spaces.md lists the genes.");
    const std::vector<int>& choices = it->second;
    for (size_t i = 0; i < choices.size(); ++i) {
      HAT_CHECK(choices[i] >= target.minimum && choices[i] <= target.maximum, ErrorKind::kConfig,
                str(origin, ": genes: ", target.name, ": ", choices[i], " is not within ",
                    target.minimum, " to ", target.maximum));
      HAT_CHECK(std::count(choices.begin(), choices.end(), choices[i]) == 1, ErrorKind::kConfig,
                str(origin, ": genes: ", target.name, ": ", choices[i], " is given twice"));
    }
    const int largest = *std::max_element(choices.begin(), choices.end());
    const auto given = d.super.find(target.name);
    super[target.name] = given == d.super.end() ? largest : given->second;
    HAT_CHECK(
        super[target.name] >= largest || target.name == std::string_view("decoder.cross_span"),
        ErrorKind::kConfig,
        str(origin, ": super: ", target.name, " ", super[target.name],
            " is smaller than the choice ", largest));
    HAT_CHECK(super[target.name] <= target.maximum, ErrorKind::kConfig,
              str(origin, ": super: ", target.name, " is too large"));
    space.genes_.push_back({target.name, target.scope, choices});
  }
  for (int i = 0; i < (seq2seq ? 3 : 1); ++i) {
    check_heads(d, kAttention[i][0], kAttention[i][1], origin);
  }

  Architecture& a = space.super_;
  a.family = d.family;
  a.encoder_embed_dim = super["encoder.embed_dim"];
  a.encoder.resize(super["encoder.layers"]);
  if (seq2seq) {
    a.decoder_embed_dim = super["decoder.embed_dim"];
    a.decoder.resize(super["decoder.layers"]);
  }
  for (const GeneTarget& target : gene_targets()) {
    if (super.count(target.name) == 0) continue;
    if (target.encoder_field != nullptr) {
      for (EncoderLayer& layer : a.encoder) layer.*target.encoder_field = super[target.name];
    } else if (target.decoder_field != nullptr) {
      for (DecoderLayer& layer : a.decoder) layer.*target.decoder_field = super[target.name];
    }
  }
  check(a, origin + ": super");

  for (size_t g = 0; g < space.genes_.size(); ++g) {
    const Gene& gene = space.genes_[g];
    if (gene.choices.size() < 2) continue;
    const int index = static_cast<int>(g);
    const size_t copies = gene.scope == Scope::kModel          ? 1
                          : gene.scope == Scope::kEncoderLayer ? a.encoder.size()
                                                               : a.decoder.size();
    for (size_t layer = 0; layer < copies; ++layer) {
      space.slots_.push_back({index, gene.scope == Scope::kModel ? -1 : static_cast<int>(layer)});
    }
  }
  return space;
}

config::OrderedJson to_json(const ModelOptions& o) {
  const char* embeddings = o.embeddings == ModelOptions::Embeddings::kShared    ? "shared"
                           : o.embeddings == ModelOptions::Embeddings::kDecoder ? "decoder"
                                                                                : "separate";
  return {{"norm", o.pre_norm ? "pre" : "post"},
          {"embeddings", embeddings},
          {"activation", o.activation},
          {"layer_norm_epsilon", o.layer_norm_epsilon},
          {"max_positions", o.max_positions},
          {"compat", o.compat},
          {"scale_embeddings_by_super", o.scale_embeddings_by_super}};
}

ModelOptions model_options_from_json(const Json& json, const std::string& origin) {
  ModelOptions options;
  int head_dim =
      0;  // a space's matter; allowed here because a space's "model" object may be passed
  read_options(json, options, head_dim, origin);
  return options;
}

}  // namespace hat::arch
