#include <algorithm>
#include <cmath>
#include <cstring>

#include "edge/kernels/huge_pages.h"
#include "edge/network.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/edge/model_file.h"
#include "model_generated.h"

namespace hat::edge {
namespace {

namespace fb = flatbuffers;
template <class T>
using Offset = fb::Offset<T>;

/// The builder fills its buffer from the end; with an aligned start the aligned vectors inside are
/// aligned in memory too, so that kernels can use a model that was never written to disk.
class AlignedAllocator final : public fb::Allocator {
 public:
  uint8_t* allocate(size_t size) override {
    return reinterpret_cast<uint8_t*>(allocate_weights(size).release());
  }
  void deallocate(uint8_t* memory, size_t) override {
    FreeBytes()(reinterpret_cast<std::byte*>(memory));
  }
};

void free_bytes(std::byte* memory) { FreeBytes()(memory); }

class Builder {
 public:
  Builder(const ModelSpec& spec, const TensorSource& tensors)
      : spec_(spec),
        tensors_(tensors),
        type_(weight_type(spec.precision)),
        fbb_(estimate(spec), &allocator_, false, kAlignment) {}

  ModelBytes build();

 private:
  static size_t estimate(const ModelSpec& spec);

  const std::vector<float>& load(const std::string& name, std::vector<int64_t> shape);
  Offset<fbs::Matrix> matrix(const float* values, size_t stride, uint32_t rows, uint32_t cols);
  Offset<fb::Vector<float>> floats(const float* values, size_t count);
  Offset<fbs::Linear> linear(const std::string& name, uint32_t rows, uint32_t cols);
  Offset<fbs::Linear> self_in(const std::string& name, uint32_t width, uint32_t qkv);
  void cross_in(const std::string& name, uint32_t qkv, Offset<fbs::Linear>* q,
                Offset<fbs::Linear>* kv);
  Offset<fbs::Norm> norm(const std::string& name, uint32_t width);
  Offset<fbs::EncoderLayer> encoder_layer(size_t index);
  Offset<fbs::DecoderLayer> decoder_layer(size_t index);
  void embeddings();
  Offset<fbs::Shortlist> shortlist();
  Offset<fb::Vector<uint8_t>> bytes(const std::string& text);
  Offset<fb::String> text(const std::string& value);

  uint32_t encoder_width() const {
    return static_cast<uint32_t>(spec_.architecture.encoder_embed_dim);
  }
  uint32_t decoder_width() const {
    return static_cast<uint32_t>(spec_.architecture.decoder_embed_dim);
  }

  const ModelSpec& spec_;
  const TensorSource& tensors_;
  WeightType type_;
  AlignedAllocator allocator_;
  fb::FlatBufferBuilder fbb_;
  std::vector<float> values_;
  Offset<fbs::Matrix> output_, encoder_embed_, decoder_embed_;
};

size_t Builder::estimate(const ModelSpec& spec) {
  uint64_t total = 1 << 16;
  for (const auto& request : required_tensors(spec)) {
    if (request.shape.size() == 2) {
      const auto rows = static_cast<uint32_t>(request.shape[0]);
      const auto cols = static_cast<uint32_t>(request.shape[1]);
      // The pieces that a tensor may be cut into (query apart from key and value, the columns of
      // the encoder's words beyond the decoder's) are padded each.
      total += packed_bytes(weight_type(spec.precision), rows, cols + kGroup) +
               3 * panel_bytes(weight_type(spec.precision), cols) + 4 * kAlignment;
    } else {
      total += 4 * static_cast<uint64_t>(request.shape[0]) + 2 * kAlignment;
    }
  }
  total += spec.source_tokenizer.size() + spec.target_tokenizer.size() + spec.config_json.size() +
           spec.provenance_json.size();
  total += 4 * (spec.shortlist.always.size() + spec.shortlist.offsets.size() +
                spec.shortlist.candidates.size());
  HAT_CHECK(total < FLATBUFFERS_MAX_BUFFER_SIZE, ErrorKind::kConfig,
            str("a model file of ", format_bytes(static_cast<double>(total)),
                " is beyond the format's limit of 2 GiB"),
            "choose int8 or int4, or a smaller vocabulary");
  return static_cast<size_t>(total);
}

const std::vector<float>& Builder::load(const std::string& name, std::vector<int64_t> shape) {
  const TensorView view = tensors_(name);
  HAT_CHECK(view.shape == shape, ErrorKind::kData,
            str(name, ": its shape is not what the architecture asks for"),
            "the weights and the architecture belong to different networks");
  size_t count = 1;
  for (const int64_t dimension : shape) count *= static_cast<size_t>(dimension);
  HAT_CHECK(view.values.size() == count, ErrorKind::kData, name + ": fewer values than its shape");
  const bool finite = std::all_of(view.values.begin(), view.values.end(),
                                  [](float value) { return std::isfinite(value); });
  HAT_CHECK(finite, ErrorKind::kData, name + ": holds NaN or infinity",
            "training has diverged; take an earlier checkpoint");
  values_.assign(view.values.begin(), view.values.end());
  return values_;
}

Offset<fbs::Matrix> Builder::matrix(const float* values, size_t stride, uint32_t rows,
                                    uint32_t cols) {
  const size_t size = packed_bytes(type_, rows, cols);
  fbb_.ForceVectorAlignment(size, 1, kAlignment);
  uint8_t* memory = nullptr;
  const auto weights = fbb_.CreateUninitializedVector(size, 1, &memory);
  pack(type_, values, stride, rows, cols, reinterpret_cast<std::byte*>(memory));
  return fbs::CreateMatrix(fbb_, rows, cols, weights);
}

Offset<fb::Vector<float>> Builder::floats(const float* values, size_t count) {
  fbb_.ForceVectorAlignment(count, sizeof(float), kAlignment);
  return fbb_.CreateVector(values, count);
}

Offset<fbs::Linear> Builder::linear(const std::string& name, uint32_t rows, uint32_t cols) {
  const auto weight = matrix(load(name + ".weight", {rows, cols}).data(), cols, rows, cols);
  const auto bias = floats(load(name + ".bias", {rows}).data(), rows);
  return fbs::CreateLinear(fbb_, weight, bias);
}

Offset<fbs::Linear> Builder::self_in(const std::string& name, uint32_t width, uint32_t qkv) {
  const uint32_t rows = 3 * qkv;
  const auto weight =
      matrix(load(name + ".in_proj_weight", {rows, width}).data(), width, rows, width);
  const auto bias = floats(load(name + ".in_proj_bias", {rows}).data(), rows);
  return fbs::CreateLinear(fbb_, weight, bias);
}

void Builder::cross_in(const std::string& name, uint32_t qkv, Offset<fbs::Linear>* q,
                       Offset<fbs::Linear>* kv) {
  const uint32_t encoder = encoder_width();
  const uint32_t decoder = decoder_width();
  Offset<fbs::Matrix> q_weight, kv_weight;
  if (encoder == decoder) {
    const float* all = load(name + ".in_proj_weight", {3 * qkv, decoder}).data();
    q_weight = matrix(all, decoder, qkv, decoder);
    kv_weight = matrix(all + size_t{qkv} * decoder, encoder, 2 * qkv, encoder);
  } else {
    q_weight = matrix(load(name + ".q_proj_weight", {qkv, decoder}).data(), decoder, qkv, decoder);
    std::vector<float> both = load(name + ".k_proj_weight", {qkv, encoder});
    const auto& value = load(name + ".v_proj_weight", {qkv, encoder});
    both.insert(both.end(), value.begin(), value.end());
    kv_weight = matrix(both.data(), encoder, 2 * qkv, encoder);
  }
  const float* bias = load(name + ".in_proj_bias", {3 * qkv}).data();
  *q = fbs::CreateLinear(fbb_, q_weight, floats(bias, qkv));
  *kv = fbs::CreateLinear(fbb_, kv_weight, floats(bias + qkv, 2 * qkv));
}

Offset<fbs::Norm> Builder::norm(const std::string& name, uint32_t width) {
  const auto gain = floats(load(name + ".weight", {width}).data(), width);
  const auto bias = floats(load(name + ".bias", {width}).data(), width);
  return fbs::CreateNorm(fbb_, gain, bias);
}

Offset<fbs::EncoderLayer> Builder::encoder_layer(size_t index) {
  const auto& layer = spec_.architecture.encoder[index];
  const std::string name = str("encoder.layers.", index);
  const auto qkv = static_cast<uint32_t>(layer.qkv_dim);
  const auto ffn = static_cast<uint32_t>(layer.ffn_dim);
  const uint32_t width = encoder_width();
  const auto in = self_in(name + ".self_attn", width, qkv);
  const auto out = linear(name + ".self_attn.out_proj", width, qkv);
  const auto self_norm = norm(name + ".self_attn_layer_norm", width);
  const auto fc1 = linear(name + ".fc1", ffn, width);
  const auto fc2 = linear(name + ".fc2", width, ffn);
  const auto final_norm = norm(name + ".final_layer_norm", width);
  return fbs::CreateEncoderLayer(fbb_, static_cast<uint32_t>(layer.heads), qkv, ffn, in, out,
                                 self_norm, fc1, fc2, final_norm);
}

Offset<fbs::DecoderLayer> Builder::decoder_layer(size_t index) {
  const auto& layer = spec_.architecture.decoder[index];
  const std::string name = str("decoder.layers.", index);
  const auto self_qkv = static_cast<uint32_t>(layer.self_qkv_dim);
  const auto cross_qkv = static_cast<uint32_t>(layer.cross_qkv_dim);
  const auto ffn = static_cast<uint32_t>(layer.ffn_dim);
  const uint32_t width = decoder_width();
  const std::vector<int> pieces = arch::cross_memory_pieces(
      spec_.architecture, static_cast<int>(index), spec_.options,
      spec_.super_encoder_layers > 0 ? spec_.super_encoder_layers
                                     : static_cast<int>(spec_.architecture.encoder.size()));
  const auto memory = fbb_.CreateVector(std::vector<int32_t>(pieces.begin(), pieces.end()));
  const auto in = self_in(name + ".self_attn", width, self_qkv);
  const auto out = linear(name + ".self_attn.out_proj", width, self_qkv);
  const auto self_norm = norm(name + ".self_attn_layer_norm", width);
  Offset<fbs::Linear> cross_q, cross_kv;
  cross_in(name + ".encoder_attn", cross_qkv, &cross_q, &cross_kv);
  const auto cross_out = linear(name + ".encoder_attn.out_proj", width, cross_qkv);
  const auto cross_norm = norm(name + ".encoder_attn_layer_norm", width);
  const auto fc1 = linear(name + ".fc1", ffn, width);
  const auto fc2 = linear(name + ".fc2", width, ffn);
  const auto final_norm = norm(name + ".final_layer_norm", width);
  return fbs::CreateDecoderLayer(fbb_, static_cast<uint32_t>(layer.self_heads), self_qkv,
                                 static_cast<uint32_t>(layer.cross_heads), cross_qkv, ffn,
                                 static_cast<uint32_t>(layer.cross_span), memory, in, out,
                                 self_norm, cross_q, cross_kv, cross_out, cross_norm, fc1, fc2,
                                 final_norm);
}

void Builder::embeddings() {
  using Embeddings = arch::ModelOptions::Embeddings;
  const auto source = static_cast<uint32_t>(spec_.vocabulary.source);
  const auto target = static_cast<uint32_t>(spec_.vocabulary.target);
  const uint32_t encoder = encoder_width();
  const uint32_t decoder = decoder_width();
  if (spec_.options.embeddings == Embeddings::kShared) {
    const uint32_t width = std::max(encoder, decoder);
    const float* table = load("encoder.embed_tokens.weight", {target, width}).data();
    output_ = matrix(table, width, target, decoder);
    if (encoder > decoder)
      encoder_embed_ = matrix(table + decoder, width, target, encoder - decoder);
    return;
  }
  encoder_embed_ = matrix(load("encoder.embed_tokens.weight", {source, encoder}).data(), encoder,
                          source, encoder);
  const bool separate = spec_.options.embeddings == Embeddings::kSeparate;
  const auto words = matrix(load("decoder.embed_tokens.weight", {target, decoder}).data(), decoder,
                            target, decoder);
  if (!separate) {
    output_ = words;
    return;
  }
  decoder_embed_ = words;
  output_ = matrix(load("decoder.embed_out", {target, decoder}).data(), decoder, target, decoder);
}

Offset<fbs::Shortlist> Builder::shortlist() {
  if (spec_.shortlist.empty()) return 0;
  const auto always = fbb_.CreateVector(spec_.shortlist.always);
  const auto offsets = fbb_.CreateVector(spec_.shortlist.offsets);
  const auto candidates = fbb_.CreateVector(spec_.shortlist.candidates);
  return fbs::CreateShortlist(fbb_, always, offsets, candidates);
}

Offset<fb::Vector<uint8_t>> Builder::bytes(const std::string& value) {
  if (value.empty()) return 0;
  return fbb_.CreateVector(reinterpret_cast<const uint8_t*>(value.data()), value.size());
}

Offset<fb::String> Builder::text(const std::string& value) {
  if (value.empty()) return 0;
  return fbb_.CreateString(value);
}

ModelBytes Builder::build() {
  embeddings();
  std::vector<Offset<fbs::EncoderLayer>> encoder;
  for (size_t i = 0; i < spec_.architecture.encoder.size(); ++i)
    encoder.push_back(encoder_layer(i));
  std::vector<Offset<fbs::DecoderLayer>> decoder;
  for (size_t i = 0; i < spec_.architecture.decoder.size(); ++i)
    decoder.push_back(decoder_layer(i));
  const auto encoder_layers = fbb_.CreateVector(encoder);
  const auto decoder_layers = fbb_.CreateVector(decoder);
  Offset<fbs::Norm> encoder_norm, decoder_norm;
  if (spec_.options.pre_norm) {
    encoder_norm = norm("encoder.layer_norm", encoder_width());
    decoder_norm = norm("decoder.layer_norm", decoder_width());
  }
  std::vector<Offset<fbs::Head>> heads;
  for (const auto& [layer, head] : spec_.alignment_heads) {
    heads.push_back(
        fbs::CreateHead(fbb_, static_cast<uint32_t>(layer), static_cast<uint32_t>(head)));
  }
  const auto alignment_heads = fbb_.CreateVector(heads);
  const auto words = shortlist();
  const auto source_tokenizer = bytes(spec_.source_tokenizer);
  const auto target_tokenizer = bytes(spec_.target_tokenizer);
  const auto config = text(spec_.config_json);
  const auto provenance = text(spec_.provenance_json);

  const auto scale = [](float given, uint32_t width) {
    return given > 0 ? given : std::sqrt(static_cast<float>(width));
  };
  fbs::ModelBuilder model(fbb_);
  model.add_format_version(kFormatVersion);
  model.add_precision(static_cast<fbs::Precision>(type_));
  model.add_source_vocabulary(static_cast<uint32_t>(spec_.vocabulary.source));
  model.add_target_vocabulary(static_cast<uint32_t>(spec_.vocabulary.target));
  model.add_encoder_embed_dim(encoder_width());
  model.add_decoder_embed_dim(decoder_width());
  model.add_pre_norm(spec_.options.pre_norm);
  model.add_embeddings(static_cast<uint8_t>(spec_.options.embeddings));
  model.add_activation(spec_.options.activation == "gelu" ? fbs::Activation::Gelu
                                                          : fbs::Activation::Relu);
  model.add_compat_positions(spec_.options.compat);
  model.add_encoder_position_width(static_cast<uint32_t>(spec_.encoder_position_width));
  model.add_decoder_position_width(static_cast<uint32_t>(spec_.decoder_position_width));
  model.add_layer_norm_epsilon(spec_.options.layer_norm_epsilon);
  model.add_max_positions(static_cast<uint32_t>(spec_.options.max_positions));
  model.add_encoder_embed_scale(scale(spec_.encoder_embed_scale, encoder_width()));
  model.add_decoder_embed_scale(scale(spec_.decoder_embed_scale, decoder_width()));
  model.add_output(output_);
  model.add_encoder_embed(encoder_embed_);
  model.add_decoder_embed(decoder_embed_);
  model.add_encoder_layers(encoder_layers);
  model.add_decoder_layers(decoder_layers);
  model.add_encoder_norm(encoder_norm);
  model.add_decoder_norm(decoder_norm);
  model.add_alignment_heads(alignment_heads);
  model.add_shortlist(words);
  model.add_source_tokenizer(source_tokenizer);
  model.add_target_tokenizer(target_tokenizer);
  model.add_config(config);
  model.add_provenance(provenance);
  model.add_super_encoder_layers(static_cast<uint32_t>(spec_.super_encoder_layers));
  model.add_scale_embeddings_by_super(spec_.options.scale_embeddings_by_super);
  fbs::FinishModelBuffer(fbb_, model.Finish());

  size_t size = 0;
  size_t offset = 0;
  auto* raw = reinterpret_cast<std::byte*>(fbb_.ReleaseRaw(size, offset));
  std::unique_ptr<std::byte, void (*)(std::byte*)> storage(raw, free_bytes);
  return ModelBytes(std::move(storage), {raw + offset, size - offset});
}

void check_spec(const ModelSpec& spec) {
  arch::check(spec.architecture, "the model's architecture");
  HAT_CHECK(spec.architecture.family == arch::Family::kSeq2Seq, ErrorKind::kConfig,
            "the device runtime translates; it has no classifier",
            "export an architecture of family seq2seq");
  const auto& vocabulary = spec.vocabulary;
  HAT_CHECK(vocabulary.source >= 4 && vocabulary.target >= 4, ErrorKind::kConfig,
            str("vocabulary of ", vocabulary.source, " and ", vocabulary.target,
                " words: at least the 4 special tokens are needed"));
  HAT_CHECK(vocabulary.source <= static_cast<int>(kMaxRows) &&
                vocabulary.target <= static_cast<int>(kMaxRows),
            ErrorKind::kConfig, str("vocabulary larger than ", kMaxRows, " words"));
  const bool shared = spec.options.embeddings == arch::ModelOptions::Embeddings::kShared;
  HAT_CHECK(!shared || vocabulary.source == vocabulary.target, ErrorKind::kConfig,
            "shared embeddings need one vocabulary for both languages",
            "use a joint tokenizer, or embeddings \"decoder\" or \"separate\"");
  HAT_CHECK(spec.options.activation == "relu" || spec.options.activation == "gelu",
            ErrorKind::kConfig, "unknown activation '" + spec.options.activation + "'",
            "relu or gelu");
  HAT_CHECK(spec.options.max_positions > 2 &&
                spec.options.max_positions <= static_cast<int>(kMaxPositions),
            ErrorKind::kConfig, str("max_positions must be 3 to ", kMaxPositions));
}

}  // namespace

WeightType weight_type(arch::Precision precision) {
  switch (precision) {
    case arch::Precision::kFp32:
      return WeightType::kFp32;
    case arch::Precision::kInt8:
      return WeightType::kInt8;
    case arch::Precision::kInt4:
      return WeightType::kInt4;
  }
  HAT_DCHECK(false);
}

ModelBytes aligned_bytes(size_t size, const std::function<void(std::span<std::byte>)>& fill) {
  Bytes memory = allocate_weights(size);
  const std::span<std::byte> bytes(memory.get(), size);
  fill(bytes);
  return ModelBytes({memory.release(), free_bytes}, bytes);
}

ModelBytes aligned_copy(std::span<const std::byte> bytes) {
  return aligned_bytes(bytes.size(), [&](std::span<std::byte> out) {
    std::copy(bytes.begin(), bytes.end(), out.begin());
  });
}

ModelBytes build_model(const ModelSpec& spec, const TensorSource& tensors) {
  check_spec(spec);
  ModelBytes model = Builder(spec, tensors).build();
  // What is written can be read: the reader's checks are the specification.
  Network network;
  read_network(model.bytes(), "new model", &network);
  return model;
}

void build_model_file(const ModelSpec& spec, const TensorSource& tensors, const fs::path& path) {
  const ModelBytes model = build_model(spec, tensors);
  const auto bytes = model.bytes();
  write_file_atomic(path, {reinterpret_cast<const char*>(bytes.data()), bytes.size()});
}

std::vector<float> stored_row(arch::Precision precision, std::span<const float> row) {
  const WeightType type = weight_type(precision);
  const auto k = static_cast<uint32_t>(row.size());
  const std::vector<std::byte> zeros(packed_bytes(type, 1, k));
  const ModelBytes copy = aligned_copy(zeros);
  // The copy is ours alone; ModelBytes shows it read-only.
  auto* packed = const_cast<std::byte*>(copy.bytes().data());
  pack(type, row.data(), k, 1, k, packed);
  std::vector<float> kept(row.size());
  dequantize_row(view_packed(type, 1, k, copy.bytes()), 0, k, 1.0f, kept.data());
  return kept;
}

}  // namespace hat::edge
