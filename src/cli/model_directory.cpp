#include "model_directory.h"

#include <cmath>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/tensor/safetensors.h"

namespace hat::cli {

struct StoredNetwork::Impl {
  explicit Impl(const fs::path& path) : file(path) {}

  config::Json metadata(const std::string& key) const {
    const auto it = file.metadata().find(key);
    HAT_CHECK(it != file.metadata().end(), ErrorKind::kData,
              str(file.path().string(), ": no '", key,
                  "' in its metadata, so it is not a network of hat"),
              "hat finetune writes models/NAME/model.safetensors.");
    return config::parse_json(it->second, file.path().string() + ": metadata " + key);
  }

  tensor::SafetensorsFile file;
  std::vector<float> buffer;  // holds the tensor handed out last when the file's is not aligned
};

StoredNetwork::StoredNetwork(const fs::path& weights) : impl_(std::make_unique<Impl>(weights)) {}
StoredNetwork::~StoredNetwork() = default;
StoredNetwork::StoredNetwork(StoredNetwork&&) noexcept = default;

edge::ModelSpec StoredNetwork::spec(arch::Precision precision) const {
  const std::string origin = impl_->file.path().string();
  edge::ModelSpec spec;
  spec.architecture = arch::architecture_from_json(impl_->metadata("architecture"), origin);
  spec.options = arch::model_options_from_json(impl_->metadata("options"), origin);
  const config::Json vocabulary = impl_->metadata("vocabulary");
  const auto size = [&](const config::Json& object, const char* key, int64_t low) {
    const int64_t value = config::get_int(object, key, origin);
    HAT_CHECK(value >= low && value <= 1 << 24, ErrorKind::kData,
              str(origin, ": metadata: ", key, " is ", value));
    return static_cast<int>(value);
  };
  spec.vocabulary = {size(vocabulary, "source", 5), size(vocabulary, "target", 5)};
  const config::Json super = impl_->metadata("super");
  const int super_encoder = size(super, "encoder_embed_dim", 0);
  const int super_decoder = size(super, "decoder_embed_dim", 0);
  spec.super_encoder_layers = size(super, "encoder_layers", 0);
  spec.encoder_position_width = super_encoder;
  spec.decoder_position_width = super_decoder;
  if (spec.options.scale_embeddings_by_super) {
    spec.encoder_embed_scale = std::sqrt(static_cast<float>(super_encoder));
    spec.decoder_embed_scale = std::sqrt(static_cast<float>(super_decoder));
  }
  spec.precision = precision;
  return spec;
}

edge::TensorSource StoredNetwork::tensors() const {
  return [impl = impl_.get()](const std::string& name) -> edge::TensorView {
    const tensor::TensorView& view = impl->file.at(name);
    impl->buffer.resize(static_cast<size_t>(view.size()));
    tensor::copy_floats(view, impl->buffer.data());
    return {impl->buffer, view.shape};
  };
}

fs::path require_model_directory(const config::Workspace& workspace, const std::string& name) {
  const fs::path directory = workspace.model_dir(name);
  HAT_CHECK(!directory.empty(), ErrorKind::kUsage, "no finetuned model in this workspace",
            "Run hat finetune first.");
  HAT_CHECK(fs::exists(directory / "model.safetensors"), ErrorKind::kUsage,
            str(directory.string(), ": no finished model there"),
            "Run hat finetune to its end, or name another model.");
  return directory;
}

fs::path tokenizer_path(const config::Workspace& workspace, const std::string& language) {
  const fs::path joint = workspace.data_dir() / "tokenizer.model";
  if (fs::exists(joint)) return joint;
  const fs::path own = workspace.data_dir() / ("tokenizer." + language + ".model");
  HAT_CHECK(fs::exists(own), ErrorKind::kUsage, str(own.string(), ": no tokenizer there"),
            "Run hat prepare first.");
  return own;
}

void add_tokenizers(const config::Workspace& workspace, edge::ModelSpec& spec) {
  constexpr size_t kMaxBytes = size_t{1} << 28;
  const fs::path source = tokenizer_path(workspace, workspace.config().task.source);
  const fs::path target = tokenizer_path(workspace, workspace.config().task.target);
  spec.source_tokenizer = read_file(source, kMaxBytes);
  if (target != source) spec.target_tokenizer = read_file(target, kMaxBytes);
}

}  // namespace hat::cli
