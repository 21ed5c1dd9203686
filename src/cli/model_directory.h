#pragma once

#include <memory>

#include "hat/config/workspace.h"
#include "hat/edge/model_file.h"

namespace hat::cli {

/// A network that hat finetune wrote (models/<name>/model.safetensors), or any safetensors file
/// with hat's metadata: the SuperTransformer too, as its largest network.
class StoredNetwork {
 public:
  /// Throws kIo when the file is missing and kData when its metadata is not a network's.
  explicit StoredNetwork(const fs::path& weights);
  ~StoredNetwork();
  StoredNetwork(StoredNetwork&&) noexcept;

  /// Everything of a model file but weights and tokenizers; precision as given.
  edge::ModelSpec spec(arch::Precision precision) const;
  /// The weights, to be passed to edge::build_model_file. Valid as long as this object.
  edge::TensorSource tensors() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// models/<name> of the workspace, or the one finetuned last; throws kUsage saying what to run
/// first.
fs::path require_model_directory(const config::Workspace& workspace, const std::string& name);
/// The joint tokenizer, or the language's own. Throws kUsage when there is neither.
fs::path tokenizer_path(const config::Workspace& workspace, const std::string& language);
/// Puts the workspace's tokenizers (data/) into the spec.
void add_tokenizers(const config::Workspace& workspace, edge::ModelSpec& spec);

}  // namespace hat::cli
