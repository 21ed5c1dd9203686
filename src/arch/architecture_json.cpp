#include <algorithm>
#include <functional>
#include <limits>

#include "hat/arch/architecture.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "original_yaml.h"

namespace hat::arch {
namespace {

using config::Json;
using config::OrderedJson;

int read_int(const Json& object, const std::string& key, const std::string& origin) {
  HAT_CHECK(object.is_object() && object.contains(key), ErrorKind::kConfig,
            str(origin, ": '", key, "' is missing"), "docs/spaces.md shows the form.");
  const Json& value = object[key];
  HAT_CHECK(value.is_number_integer() && value >= std::numeric_limits<int>::min() &&
                value <= std::numeric_limits<int>::max(),
            ErrorKind::kConfig, str(origin, ": '", key, "' must be a whole number"));
  return value.get<int>();
}

void reject_unknown(const Json& object, const std::vector<std::string>& known,
                    const std::string& origin) {
  HAT_CHECK(object.is_object(), ErrorKind::kConfig, str(origin, ": must be an object"));
  for (const auto& [key, value] : object.items()) {
    const bool fine =
        key.starts_with("_") || std::find(known.begin(), known.end(), key) != known.end();
    HAT_CHECK(fine, ErrorKind::kConfig,
              str(origin, ": unknown key '", key, "'.", did_you_mean(key, known)));
  }
}

const Json& layers_of(const Json& stack, const std::string& origin) {
  HAT_CHECK(stack.contains("layers") && stack["layers"].is_array(), ErrorKind::kConfig,
            str(origin, ": 'layers' must be a list"));
  return stack["layers"];
}

Architecture read_native(const Json& json, const std::string& origin) {
  reject_unknown(json, {"format", "version", "family", "encoder", "decoder", "id"}, origin);
  Architecture a;
  const std::string family = json.value("family", "seq2seq");
  HAT_CHECK(family == "seq2seq" || family == "encoder", ErrorKind::kConfig,
            str(origin, ": family must be seq2seq or encoder (got '", family, "')"));
  a.family = family == "seq2seq" ? Family::kSeq2Seq : Family::kEncoder;
  const Json& encoder = json.at("encoder");
  reject_unknown(encoder, {"embed_dim", "layers"}, origin + ": encoder");
  a.encoder_embed_dim = read_int(encoder, "embed_dim", origin + ": encoder");
  for (const Json& layer : layers_of(encoder, origin + ": encoder")) {
    const std::string where = str(origin, ": encoder layer ", a.encoder.size());
    reject_unknown(layer, {"ffn_dim", "heads", "qkv_dim"}, where);
    a.encoder.push_back({read_int(layer, "ffn_dim", where), read_int(layer, "heads", where),
                         read_int(layer, "qkv_dim", where)});
  }
  if (a.family == Family::kEncoder) return a;
  HAT_CHECK(json.contains("decoder"), ErrorKind::kConfig, str(origin, ": 'decoder' is missing"));
  const Json& decoder = json.at("decoder");
  reject_unknown(decoder, {"embed_dim", "layers"}, origin + ": decoder");
  a.decoder_embed_dim = read_int(decoder, "embed_dim", origin + ": decoder");
  for (const Json& layer : layers_of(decoder, origin + ": decoder")) {
    const std::string where = str(origin, ": decoder layer ", a.decoder.size());
    reject_unknown(
        layer,
        {"ffn_dim", "self_heads", "self_qkv_dim", "cross_heads", "cross_qkv_dim", "cross_span"},
        where);
    a.decoder.push_back(
        {read_int(layer, "ffn_dim", where), read_int(layer, "self_heads", where),
         read_int(layer, "self_qkv_dim", where), read_int(layer, "cross_heads", where),
         read_int(layer, "cross_qkv_dim", where), read_int(layer, "cross_span", where)});
  }
  return a;
}

/// Lists of the original may be longer than the number of active layers: the rest is ignored.
std::vector<int> read_list(const Json& object, const std::string& key, size_t layers,
                           const std::string& origin) {
  HAT_CHECK(object.contains(key) && object[key].is_array(), ErrorKind::kConfig,
            str(origin, ": '", key, "' is missing or not a list"));
  const Json& list = object[key];
  HAT_CHECK(list.size() >= layers, ErrorKind::kConfig,
            str(origin, ": '", key, "' has ", list.size(), " entries for ", layers, " layers"));
  std::vector<int> values;
  for (size_t i = 0; i < layers; ++i) {
    HAT_CHECK(list[i].is_number_integer() && list[i] >= -1 && list[i] <= 1 << 20,
              ErrorKind::kConfig,
              str(origin, ": '", key, "' entry ", i, " is not a usable number"));
    values.push_back(list[i].get<int>());
  }
  return values;
}

int span_of(int arbitrary, const std::string& origin) {
  HAT_CHECK(arbitrary == -1 || arbitrary == 1 || arbitrary == 2, ErrorKind::kConfig,
            str(origin, ": encoder-decoder attention must be -1, 1 or 2 (got ", arbitrary, ")"));
  return arbitrary == -1 ? 1 : arbitrary + 1;
}

/// The original's field names (ten of them, hat-spec section 1), `name` maps them to the file's
/// keys.
Architecture read_original(const Json& json, const std::string& origin, int qkv_dim,
                           const std::function<std::string(const std::string&)>& name) {
  const auto depth = [&](const std::string& key) {
    const int layers = read_int(json, name(key), origin);
    HAT_CHECK(layers >= 1 && layers <= 64, ErrorKind::kConfig,
              str(origin, ": '", name(key), "' must be 1 to 64 (got ", layers, ")"));
    return static_cast<size_t>(layers);
  };
  Architecture a;
  a.encoder_embed_dim = read_int(json, name("encoder_embed_dim"), origin);
  a.decoder_embed_dim = read_int(json, name("decoder_embed_dim"), origin);
  const size_t encoder_layers = depth("encoder_layer_num");
  const size_t decoder_layers = depth("decoder_layer_num");
  const auto list = [&](const std::string& key, size_t layers) {
    return read_list(json, name(key), layers, origin);
  };
  const auto encoder_ffn = list("encoder_ffn_embed_dim", encoder_layers);
  const auto encoder_heads = list("encoder_self_attention_heads", encoder_layers);
  const auto decoder_ffn = list("decoder_ffn_embed_dim", decoder_layers);
  const auto self_heads = list("decoder_self_attention_heads", decoder_layers);
  const auto cross_heads = list("decoder_ende_attention_heads", decoder_layers);
  const auto arbitrary = list("decoder_arbitrary_ende_attn", decoder_layers);
  for (size_t i = 0; i < encoder_layers; ++i) {
    a.encoder.push_back({encoder_ffn[i], encoder_heads[i], qkv_dim});
  }
  for (size_t i = 0; i < decoder_layers; ++i) {
    a.decoder.push_back({decoder_ffn[i], self_heads[i], qkv_dim, cross_heads[i], qkv_dim,
                         span_of(arbitrary[i], origin)});
  }
  return a;
}

/// encoder_embed_dim -> encoder-embed-dim-subtransformer; per-layer fields end in
/// -all-subtransformer.
std::string yaml_key(const std::string& field) {
  std::string key = field;
  std::replace(key.begin(), key.end(), '_', '-');
  const bool of_model =
      field.ends_with("layer_num") || field == "encoder_embed_dim" || field == "decoder_embed_dim";
  return key + (of_model ? "-subtransformer" : "-all-subtransformer");
}

}  // namespace

OrderedJson to_json(const Architecture& a) {
  OrderedJson encoder_layers = OrderedJson::array();
  for (const EncoderLayer& l : a.encoder) {
    encoder_layers.push_back({{"ffn_dim", l.ffn_dim}, {"heads", l.heads}, {"qkv_dim", l.qkv_dim}});
  }
  OrderedJson json = {
      {"format", "hat-architecture"},
      {"version", 1},
      {"family", a.family == Family::kSeq2Seq ? "seq2seq" : "encoder"},
      {"encoder", {{"embed_dim", a.encoder_embed_dim}, {"layers", encoder_layers}}}};
  if (a.family == Family::kEncoder) return json;
  OrderedJson decoder_layers = OrderedJson::array();
  for (const DecoderLayer& l : a.decoder) {
    decoder_layers.push_back({{"ffn_dim", l.ffn_dim},
                              {"self_heads", l.self_heads},
                              {"self_qkv_dim", l.self_qkv_dim},
                              {"cross_heads", l.cross_heads},
                              {"cross_qkv_dim", l.cross_qkv_dim},
                              {"cross_span", l.cross_span}});
  }
  json["decoder"] = {{"embed_dim", a.decoder_embed_dim}, {"layers", decoder_layers}};
  return json;
}

Architecture architecture_from_json(const Json& json, const std::string& origin, int qkv_dim) {
  HAT_CHECK(json.is_object(), ErrorKind::kConfig, str(origin, ": must be a JSON object"));
  const auto same = [](const std::string& field) { return field; };
  Architecture a;
  const bool has_encoder = json.contains("encoder") && json["encoder"].is_object();
  if (json.contains("encoder_embed_dim")) {
    a = read_original(json, origin, qkv_dim, same);
  } else if (has_encoder && json["encoder"].contains("encoder_embed_dim")) {
    Json flat = json["encoder"];
    HAT_CHECK(json.contains("decoder") && json["decoder"].is_object(), ErrorKind::kConfig,
              str(origin, ": 'decoder' is missing"));
    flat.update(json["decoder"]);
    a = read_original(flat, origin, qkv_dim, same);
  } else {
    HAT_CHECK(has_encoder, ErrorKind::kConfig,
              str(origin, ": no 'encoder' object, so this is not an architecture"),
              "docs/spaces.md shows the form.");
    HAT_CHECK(!json.contains("version") || json["version"] == 1, ErrorKind::kConfig,
              str(origin, ": an architecture of a version this hat does not know"));
    a = read_native(json, origin);
  }
  check(a, origin);
  return a;
}

Architecture load_architecture(const fs::path& path, int qkv_dim) {
  const std::string origin = path.string();
  if (!is_original_yaml(path)) {
    return architecture_from_json(config::load_json(path), origin, qkv_dim);
  }
  const Json yaml = parse_original_yaml(read_file(path, 1 << 24), origin);
  if (yaml.contains("qkv-dim")) qkv_dim = read_int(yaml, "qkv-dim", origin);
  Architecture a = read_original(yaml, origin, qkv_dim, yaml_key);
  check(a, origin);
  return a;
}

}  // namespace hat::arch
