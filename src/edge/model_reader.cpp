#include <algorithm>
#include <cmath>

#include "edge/network.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "model_generated.h"

namespace hat::edge {
namespace {

namespace fb = flatbuffers;

/// Turns the generated accessors' views into checked ones. Every method names the field it checks.
class Reader {
 public:
  Reader(const fbs::Model& model, const std::string& name, Network* network)
      : model_(model), name_(name), net_(*network) {}
  void read();

 private:
  void check(bool good, const std::string& field, const std::string& message) const {
    HAT_CHECK(good, ErrorKind::kData, str(name_, ": ", field, ": ", message),
              "the file is damaged or from another version: export it again");
  }
  uint32_t in_range(uint32_t value, uint32_t low, uint32_t high, const std::string& field) const {
    check(value >= low && value <= high, field,
          str("must be ", low, " to ", high, " (got ", value, ")"));
    return value;
  }
  float positive(float value, const std::string& field) const {
    check(std::isfinite(value) && value > 0, field, "must be a positive number");
    return value;
  }

  void sizes();
  int position_width(uint32_t width, uint32_t stack, const std::string& field) const;
  void read_architecture();
  void tables();
  PackedMatrix matrix(const fbs::Matrix* matrix, uint32_t rows, uint32_t cols,
                      const std::string& field) const;
  const float* floats(const fb::Vector<float>* values, uint32_t size,
                      const std::string& field) const;
  Linear linear(const fbs::Linear* linear, uint32_t rows, uint32_t cols,
                const std::string& field) const;
  Norm norm(const fbs::Norm* norm, uint32_t width, const std::string& field) const;
  EncoderBlock encoder_block(const fbs::EncoderLayer& layer, const std::string& field) const;
  DecoderBlock decoder_block(const fbs::DecoderLayer& layer, const std::string& field) const;
  std::vector<int> memory(const fbs::DecoderLayer& layer, const std::string& field) const;
  void read_shortlist();
  void read_alignment_heads();
  void read_texts();
  std::string_view text(const fb::String* value, const std::string& field) const;
  void compute_id();

  const fbs::Model& model_;
  const std::string& name_;
  Network& net_;
  WeightType type_ = WeightType::kInt8;
  uint32_t encoder_width_ = 0;
  uint32_t decoder_width_ = 0;
};

void Reader::read() {
  sizes();
  read_architecture();
  tables();
  for (uint32_t i = 0; i < model_.encoder_layers()->size(); ++i)
    net_.encoder.push_back(
        encoder_block(*model_.encoder_layers()->Get(i), str("encoder layer ", i)));
  for (uint32_t i = 0; i < model_.decoder_layers()->size(); ++i)
    net_.decoder.push_back(
        decoder_block(*model_.decoder_layers()->Get(i), str("decoder layer ", i)));
  if (net_.options.pre_norm) {
    net_.encoder_norm = norm(model_.encoder_norm(), encoder_width_, "encoder_norm");
    net_.decoder_norm = norm(model_.decoder_norm(), decoder_width_, "decoder_norm");
  }
  read_shortlist();
  read_alignment_heads();
  read_texts();
  compute_id();
}

void Reader::sizes() {
  check(model_.format_version() == kFormatVersion, "format_version",
        str("this program reads version ", kFormatVersion, ", the file has ",
            model_.format_version()));
  const auto precision = static_cast<uint32_t>(model_.precision());
  in_range(precision, 0, 2, "precision");
  net_.precision = static_cast<arch::Precision>(precision);
  type_ = weight_type(net_.precision);
  net_.vocabulary.source =
      static_cast<int>(in_range(model_.source_vocabulary(), 4, kMaxRows, "source_vocabulary"));
  net_.vocabulary.target =
      static_cast<int>(in_range(model_.target_vocabulary(), 4, kMaxRows, "target_vocabulary"));
  encoder_width_ = in_range(model_.encoder_embed_dim(), 1, kMaxColumns, "encoder_embed_dim");
  decoder_width_ = in_range(model_.decoder_embed_dim(), 1, kMaxColumns, "decoder_embed_dim");

  auto& options = net_.options;
  options.pre_norm = model_.pre_norm();
  in_range(model_.embeddings(), 0, 2, "embeddings");
  options.embeddings = static_cast<arch::ModelOptions::Embeddings>(model_.embeddings());
  const auto activation = static_cast<uint32_t>(model_.activation());
  in_range(activation, 0, 1, "activation");
  options.activation = activation == 1 ? "gelu" : "relu";
  net_.activation = activation == 1 ? Activation::kGelu : Activation::kRelu;
  options.compat = model_.compat_positions();
  options.scale_embeddings_by_super = model_.scale_embeddings_by_super();
  options.layer_norm_epsilon = model_.layer_norm_epsilon();
  net_.epsilon = positive(static_cast<float>(model_.layer_norm_epsilon()), "layer_norm_epsilon");
  options.max_positions =
      static_cast<int>(in_range(model_.max_positions(), 3, kMaxPositions, "max_positions"));
  net_.encoder_position_width =
      position_width(model_.encoder_position_width(), encoder_width_, "encoder_position_width");
  net_.decoder_position_width =
      position_width(model_.decoder_position_width(), decoder_width_, "decoder_position_width");
  net_.encoder_embed_scale = positive(model_.encoder_embed_scale(), "encoder_embed_scale");
  net_.decoder_embed_scale = positive(model_.decoder_embed_scale(), "decoder_embed_scale");
  check(!net_.shared_embeddings() || net_.vocabulary.source == net_.vocabulary.target,
        "source_vocabulary", "differs from the target's although embeddings are shared");
}

int Reader::position_width(uint32_t width, uint32_t stack, const std::string& field) const {
  in_range(width, 0, kMaxColumns, field);
  if (!net_.options.compat) return 0;
  // Half of the width less one divides.
  const uint32_t used = width == 0 ? stack : width;
  check(used >= 4 && used >= stack, field, "is smaller than the network, or than 4");
  return static_cast<int>(used);
}

void Reader::read_architecture() {
  check(model_.encoder_layers() != nullptr && model_.decoder_layers() != nullptr, "layers",
        "are missing");
  in_range(model_.encoder_layers()->size(), 1, kMaxLayers, "encoder_layers");
  in_range(model_.decoder_layers()->size(), 1, kMaxLayers, "decoder_layers");
  auto& architecture = net_.architecture;
  architecture.family = arch::Family::kSeq2Seq;
  architecture.encoder_embed_dim = static_cast<int>(encoder_width_);
  architecture.decoder_embed_dim = static_cast<int>(decoder_width_);
  const auto value = [&](uint32_t number, const char* field) {
    return static_cast<int>(in_range(number, 1, kMaxColumns, field));
  };
  for (const fbs::EncoderLayer* layer : *model_.encoder_layers()) {
    check(layer != nullptr, "encoder_layers", "holds an empty layer");
    architecture.encoder.push_back({value(layer->ffn_dim(), "ffn_dim"),
                                    value(layer->heads(), "heads"),
                                    value(layer->qkv_dim(), "qkv_dim")});
  }
  for (const fbs::DecoderLayer* layer : *model_.decoder_layers()) {
    check(layer != nullptr, "decoder_layers", "holds an empty layer");
    architecture.decoder.push_back(
        {value(layer->ffn_dim(), "ffn_dim"), value(layer->self_heads(), "self_heads"),
         value(layer->self_qkv_dim(), "self_qkv_dim"), value(layer->cross_heads(), "cross_heads"),
         value(layer->cross_qkv_dim(), "cross_qkv_dim"),
         static_cast<int>(in_range(layer->cross_span(), 1, 3, "cross_span"))});
  }
  try {
    arch::check(architecture, name_);
  } catch (const Error& error) {
    fail(ErrorKind::kData, error.message(), "the file is damaged: export it again");
  }
}

PackedMatrix Reader::matrix(const fbs::Matrix* matrix, uint32_t rows, uint32_t cols,
                            const std::string& field) const {
  check(matrix != nullptr && matrix->weights() != nullptr, field, "is missing");
  check(matrix->rows() == rows && matrix->cols() == cols, field,
        str("must be ", rows, " x ", cols, " (got ", matrix->rows(), " x ", matrix->cols(), ")"));
  const auto* weights = matrix->weights();
  try {
    return view_packed(type_, rows, cols,
                       {reinterpret_cast<const std::byte*>(weights->data()), weights->size()});
  } catch (Error& error) {
    error.add_context(field).add_context(name_);
    throw;
  }
}

const float* Reader::floats(const fb::Vector<float>* values, uint32_t size,
                            const std::string& field) const {
  check(values != nullptr, field, "is missing");
  check(values->size() == size, field,
        str("must have ", size, " values (has ", values->size(), ")"));
  const float* data = values->data();
  check(std::all_of(data, data + size, [](float value) { return std::isfinite(value); }), field,
        "holds NaN or infinity");
  return data;
}

Linear Reader::linear(const fbs::Linear* linear, uint32_t rows, uint32_t cols,
                      const std::string& field) const {
  check(linear != nullptr, field, "is missing");
  return {matrix(linear->weight(), rows, cols, field),
          floats(linear->bias(), rows, field + " bias")};
}

Norm Reader::norm(const fbs::Norm* norm, uint32_t width, const std::string& field) const {
  check(norm != nullptr, field, "is missing");
  return {floats(norm->gain(), width, field + " gain"),
          floats(norm->bias(), width, field + " bias")};
}

void Reader::tables() {
  const auto source = static_cast<uint32_t>(net_.vocabulary.source);
  const auto target = static_cast<uint32_t>(net_.vocabulary.target);
  net_.output = matrix(model_.output(), target, decoder_width_, "output");
  net_.decoder_embed = net_.output;
  if (net_.shared_embeddings()) {
    if (encoder_width_ > decoder_width_) {
      net_.encoder_embed =
          matrix(model_.encoder_embed(), target, encoder_width_ - decoder_width_, "encoder_embed");
    }
    return;
  }
  net_.encoder_embed = matrix(model_.encoder_embed(), source, encoder_width_, "encoder_embed");
  if (net_.options.embeddings == arch::ModelOptions::Embeddings::kSeparate)
    net_.decoder_embed = matrix(model_.decoder_embed(), target, decoder_width_, "decoder_embed");
}

EncoderBlock Reader::encoder_block(const fbs::EncoderLayer& layer, const std::string& field) const {
  EncoderBlock block;
  const uint32_t width = encoder_width_;
  block.heads = layer.heads();
  block.qkv_dim = layer.qkv_dim();
  block.ffn_dim = layer.ffn_dim();
  block.self_in = linear(layer.self_in(), 3 * block.qkv_dim, width, field + " self_in");
  block.self_out = linear(layer.self_out(), width, block.qkv_dim, field + " self_out");
  block.self_norm = norm(layer.self_norm(), width, field + " self_norm");
  block.fc1 = linear(layer.fc1(), block.ffn_dim, width, field + " fc1");
  block.fc2 = linear(layer.fc2(), width, block.ffn_dim, field + " fc2");
  block.final_norm = norm(layer.final_norm(), width, field + " final_norm");
  return block;
}

DecoderBlock Reader::decoder_block(const fbs::DecoderLayer& layer, const std::string& field) const {
  DecoderBlock block;
  const uint32_t width = decoder_width_;
  block.self_heads = layer.self_heads();
  block.self_qkv_dim = layer.self_qkv_dim();
  block.cross_heads = layer.cross_heads();
  block.cross_qkv_dim = layer.cross_qkv_dim();
  block.ffn_dim = layer.ffn_dim();
  block.memory = memory(layer, field);
  block.self_in = linear(layer.self_in(), 3 * block.self_qkv_dim, width, field + " self_in");
  block.self_out = linear(layer.self_out(), width, block.self_qkv_dim, field + " self_out");
  block.self_norm = norm(layer.self_norm(), width, field + " self_norm");
  block.cross_q = linear(layer.cross_q(), block.cross_qkv_dim, width, field + " cross_q");
  block.cross_kv =
      linear(layer.cross_kv(), 2 * block.cross_qkv_dim, encoder_width_, field + " cross_kv");
  block.cross_out = linear(layer.cross_out(), width, block.cross_qkv_dim, field + " cross_out");
  block.cross_norm = norm(layer.cross_norm(), width, field + " cross_norm");
  block.fc1 = linear(layer.fc1(), block.ffn_dim, width, field + " fc1");
  block.fc2 = linear(layer.fc2(), width, block.ffn_dim, field + " fc2");
  block.final_norm = norm(layer.final_norm(), width, field + " final_norm");
  return block;
}

std::vector<int> Reader::memory(const fbs::DecoderLayer& layer, const std::string& field) const {
  check(layer.memory() != nullptr, field + " memory", "is missing");
  in_range(layer.memory()->size(), 1, 3, field + " memory pieces");
  const int layers = static_cast<int>(net_.architecture.encoder.size());
  std::vector<int> pieces;
  for (const int32_t piece : *layer.memory()) {
    check(piece == arch::kFinalOutput || (piece >= 0 && piece < layers), field + " memory",
          str("names encoder layer ", piece, " of ", layers));
    pieces.push_back(piece);
  }
  return pieces;
}

void Reader::read_shortlist() {
  const fbs::Shortlist* list = model_.shortlist();
  if (list == nullptr) return;
  check(list->always() != nullptr && list->offsets() != nullptr && list->candidates() != nullptr,
        "shortlist", "is incomplete");
  auto& view = net_.shortlist;
  view.always = {list->always()->data(), list->always()->size()};
  view.offsets = {list->offsets()->data(), list->offsets()->size()};
  view.candidates = {list->candidates()->data(), list->candidates()->size()};
  const auto source = static_cast<size_t>(net_.vocabulary.source);
  check(view.offsets.size() == source + 1, "shortlist offsets", "do not fit the source vocabulary");
  check(view.offsets.front() == 0 && view.offsets.back() == view.candidates.size() &&
            std::is_sorted(view.offsets.begin(), view.offsets.end()),
        "shortlist offsets", "are not ascending positions of the candidates");
  const auto ascending = [&](std::span<const int32_t> words) {
    for (size_t i = 0; i < words.size(); ++i) {
      if (words[i] < 0 || words[i] >= net_.vocabulary.target) return false;
      if (i > 0 && words[i] <= words[i - 1]) return false;
    }
    return true;
  };
  check(ascending(view.always), "shortlist always", "is not a list of ascending target words");
  // The end has to be reachable, or no hypothesis would finish before its greatest length.
  check(std::binary_search(view.always.begin(), view.always.end(), 2), "shortlist always",
        "lacks the end of sentence");
  for (size_t word = 0; word < source; ++word) {
    check(ascending(view.candidates.subspan(view.offsets[word],
                                            view.offsets[word + 1] - view.offsets[word])),
          "shortlist candidates", "are not ascending target words");
  }
}

void Reader::read_alignment_heads() {
  if (model_.alignment_heads() == nullptr) return;
  const auto& architecture = net_.architecture;
  in_range(model_.alignment_heads()->size(), 0, 1024, "alignment_heads");
  for (const fbs::Head* head : *model_.alignment_heads()) {
    check(head != nullptr && head->layer() < architecture.decoder.size(), "alignment_heads",
          "names a layer that does not exist");
    const int layer = static_cast<int>(head->layer());
    const int heads = architecture.decoder[head->layer()].cross_heads;
    check(head->head() < static_cast<uint32_t>(heads), "alignment_heads",
          "names a head that does not exist");
    net_.alignment_heads.emplace_back(layer, static_cast<int>(head->head()));
  }
}

std::string_view Reader::text(const fb::String* value, const std::string& field) const {
  if (value == nullptr) return {};
  const std::string_view view(value->c_str(), value->size());
  check(is_valid_utf8(view), field, "is not valid UTF-8");
  return view;
}

void Reader::read_texts() {
  const auto bytes = [](const fb::Vector<uint8_t>* value) {
    return value == nullptr
               ? std::string_view{}
               : std::string_view(reinterpret_cast<const char*>(value->data()), value->size());
  };
  net_.source_tokenizer = bytes(model_.source_tokenizer());
  net_.target_tokenizer = bytes(model_.target_tokenizer());
  if (net_.target_tokenizer.empty()) net_.target_tokenizer = net_.source_tokenizer;
  net_.config_json = text(model_.config(), "config");
  net_.provenance_json = text(model_.provenance(), "provenance");
}

void Reader::compute_id() {
  const auto sample = [](const PackedMatrix& matrix) {
    const auto* data = reinterpret_cast<const char*>(matrix.data);
    const size_t panel = panel_bytes(matrix.type, matrix.k);
    return matrix.n == 0 ? uint64_t{0} : hash64({data, std::min<size_t>(panel, 4096)});
  };
  uint64_t hash = hash64(arch::canonical_text(net_.architecture));
  const auto& o = net_.options;
  hash = mix_seed(hash,
                  hash64(str(static_cast<int>(net_.precision), " ", o.pre_norm, " ",
                             static_cast<int>(o.embeddings), " ", o.activation, " ", o.compat, " ",
                             net_.vocabulary.source, " ", net_.vocabulary.target, " ",
                             net_.shortlist.always.size(), " ", net_.shortlist.candidates.size())));
  hash = mix_seed(hash, sample(net_.output));
  for (const auto& block : net_.encoder) hash = mix_seed(hash, sample(block.fc1.weight));
  for (const auto& block : net_.decoder) hash = mix_seed(hash, sample(block.fc1.weight));
  static constexpr char kDigits[] = "0123456789abcdef";
  net_.id.clear();
  for (int shift = 60; shift >= 0; shift -= 4) net_.id += kDigits[(hash >> shift) & 15];
}

}  // namespace

void read_network(std::span<const std::byte> bytes, const std::string& name, Network* network) {
  const auto* data = reinterpret_cast<const uint8_t*>(bytes.data());
  const char* hint = "export it again with `hat export`";
  HAT_CHECK(bytes.size() >= 16 && fbs::ModelBufferHasIdentifier(data), ErrorKind::kData,
            name + ": is not a hat model file", hint);
  HAT_CHECK(bytes.size() < FLATBUFFERS_MAX_BUFFER_SIZE, ErrorKind::kData,
            name + ": is larger than the format's 2 GiB", hint);
  HAT_CHECK(reinterpret_cast<uintptr_t>(data) % kAlignment == 0, ErrorKind::kInternal,
            name + ": is not aligned in memory");
  // Layers, matrices and lists: far fewer tables than this in a file within the limits below.
  constexpr fb::uoffset_t kMaxDepth = 16;
  constexpr fb::uoffset_t kMaxTables = 1 << 16;
  fb::Verifier verifier(data, bytes.size(), kMaxDepth, kMaxTables);
  HAT_CHECK(fbs::VerifyModelBuffer(verifier), ErrorKind::kData,
            name + ": the file is damaged or cut short", hint);
  network->file_bytes = bytes.size();
  Reader(*fbs::GetModel(data), name, network).read();
}

}  // namespace hat::edge
