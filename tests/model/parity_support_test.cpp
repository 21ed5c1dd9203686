#include "hat/base/error.h"
#include "model/parity.h"

namespace hat::model::testing {

std::unique_ptr<ParitySet> ParitySet::open(const std::string& name) {
  const fs::path folder = hat::testing::parity_dir() / name;
  if (!fs::exists(folder / "manifest.json")) return nullptr;
  auto set = std::make_unique<ParitySet>();
  set->name_ = name;
  set->folder_ = folder;
  set->manifest_ = config::load_json(folder / "manifest.json");
  for (const auto& test_case : set->manifest_.at("cases")) set->cases_.push_back(test_case);
  return set;
}

bool ParitySet::any_present() {
  std::error_code ignored;
  for (const auto& entry : fs::recursive_directory_iterator(hat::testing::parity_dir(), ignored)) {
    if (entry.path().extension() == ".json") return true;
  }
  return false;
}

NetworkSpec ParitySet::spec() const {
  const config::Json& super = manifest_.at("super");
  NetworkSpec spec;
  spec.options.compat = true;
  spec.options.pre_norm = super.at("normalize_before").at(0).get<bool>();
  spec.options.activation = super.at("activation_fn").get<std::string>();
  spec.options.layer_norm_epsilon = super.at("layer_norm_eps").get<double>();
  spec.options.max_positions = super.at("max_positions").get<int>();
  spec.options.scale_embeddings_by_super = super.at("vocab_original_scaling").get<bool>();
  using Embeddings = arch::ModelOptions::Embeddings;
  spec.options.embeddings = super.at("share_all_embeddings").get<bool>() ? Embeddings::kShared
                            : super.at("share_decoder_input_output_embed").get<bool>()
                                ? Embeddings::kDecoder
                                : Embeddings::kSeparate;
  spec.vocabulary = {manifest_.at("vocab").get<int>(), manifest_.at("vocab").get<int>()};
  arch::Architecture& a = spec.capacities;
  const int qkv = super.at("qkv_dim").get<int>();
  const int heads = super.at("encoder_attention_heads").get<int>();
  a.encoder_embed_dim = super.at("encoder_embed_dim").get<int>();
  a.decoder_embed_dim = super.at("decoder_embed_dim").get<int>();
  a.encoder.assign(super.at("encoder_layers").get<size_t>(),
                   {super.at("encoder_ffn_embed_dim").get<int>(), heads, qkv});
  a.decoder.assign(super.at("decoder_layers").get<size_t>(),
                   {super.at("decoder_ffn_embed_dim").get<int>(), heads, qkv, heads, qkv, 1});
  return spec;
}

std::unique_ptr<Transformer> ParitySet::load() const {
  auto network = std::make_unique<Transformer>(spec());
  load_weights(*network, folder_ / manifest_.at("weights").get<std::string>());
  return network;
}

arch::Architecture ParitySet::architecture(const config::Json& test_case) const {
  return arch::architecture_from_json(test_case.at("config"), name_,
                                      manifest_.at("super").at("qkv_dim").get<int>());
}

tensor::SafetensorsFile ParitySet::file(const std::string& file_name) const {
  return tensor::SafetensorsFile(folder_ / file_name);
}

at::Tensor read_tensor(const tensor::SafetensorsFile& file, const std::string& name) {
  const tensor::TensorView& view = file.at(name);
  const bool is_float = view.dtype == tensor::DType::kF32 || view.dtype == tensor::DType::kF64;
  if (is_float) return at::tensor(file.floats(name), at::kFloat).view(view.shape);
  return at::tensor(file.integers(name), at::kLong).view(view.shape);
}

double max_absolute(const at::Tensor& a) {
  return a.numel() == 0 ? 0.0 : a.detach().abs().max().item<double>();
}
double max_difference(const at::Tensor& a, const at::Tensor& b) {
  return max_absolute(a.detach().to(at::kDouble) - b.detach().to(at::kDouble));
}

}  // namespace hat::model::testing
