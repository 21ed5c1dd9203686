#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "hat/base/error.h"
#include "hat/config/json.h"
#include "hat/edge/model.h"
#include "hat/edge/model_file.h"
#include "hat/tensor/safetensors.h"
#include "testing/shared_data.h"

namespace hat::edge::testing {

/// One folder of golden numbers of the original, and model files built from its weights.
class ParitySet {
 public:
  explicit ParitySet(const std::string& folder)
      : folder_(hat::testing::parity_dir() / folder),
        manifest_(config::load_json(folder_ / "manifest.json")),
        weights_(folder_ / manifest_["weights"].get<std::string>()) {}

  static bool exists(const std::string& folder) {
    return fs::exists(hat::testing::parity_dir() / folder / "manifest.json");
  }

  const config::Json& cases() const { return manifest_["cases"]; }
  tensor::SafetensorsFile tensors(const config::Json& entry) const {
    return tensor::SafetensorsFile(folder_ / entry["tensor_file"].get<std::string>());
  }

  ModelSpec spec(const config::Json& entry, arch::Precision precision) const {
    const auto& super = manifest_["super"];
    ModelSpec spec;
    spec.architecture =
        arch::architecture_from_json(entry["config"], "manifest", super["qkv_dim"].get<int>());
    spec.options.pre_norm = super["normalize_before"][0].get<bool>();
    spec.options.embeddings = super["share_all_embeddings"].get<bool>()
                                  ? arch::ModelOptions::Embeddings::kShared
                                  : arch::ModelOptions::Embeddings::kSeparate;
    spec.options.max_positions = super["max_positions"].get<int>();
    spec.options.compat = true;
    spec.vocabulary = {manifest_["vocab"].get<int>(), manifest_["vocab"].get<int>()};
    spec.encoder_position_width = super["encoder_embed_dim"].get<int>();
    spec.decoder_position_width = super["decoder_embed_dim"].get<int>();
    spec.super_encoder_layers = super["encoder_layers"].get<int>();
    spec.precision = precision;
    return spec;
  }

  std::shared_ptr<const Model> model(const config::Json& entry,
                                     arch::Precision precision = arch::Precision::kFp32) const {
    const ModelSpec wanted = spec(entry, precision);
    return Model::from_bytes(build_model(wanted, source(wanted)), "parity model");
  }

  /// Leading slices of the SuperTransformer's tensors, as hat-spec section 2 defines them.
  TensorSource source(const ModelSpec& spec) const {
    auto shapes = std::make_shared<std::map<std::string, std::vector<int64_t>>>();
    for (const auto& request : required_tensors(spec)) (*shapes)[request.name] = request.shape;
    auto values = std::make_shared<std::vector<float>>();
    return [this, shapes, values](const std::string& name) {
      const auto& shape = shapes->at(name);
      *values = cut(name, shape);
      return TensorView{*values, shape};
    };
  }

 private:
  /// Rows [first, first + rows) and the leading columns of a stored matrix or vector.
  std::vector<float> block(const std::string& name, int64_t first, int64_t rows,
                           int64_t cols) const {
    const auto& stored = weights_.at(name);
    const std::vector<float> all = weights_.floats(name);
    const int64_t width = stored.shape.size() == 2 ? stored.shape[1] : 1;
    std::vector<float> out;
    for (int64_t row = first; row < first + rows; ++row) {
      for (int64_t col = 0; col < cols; ++col)
        out.push_back(all[static_cast<size_t>(row * width + col)]);
    }
    return out;
  }

  std::vector<float> cut(const std::string& name, const std::vector<int64_t>& shape) const {
    const int64_t cols = shape.size() == 2 ? shape[1] : 1;
    const std::string end = name.substr(name.rfind('.') + 1);
    const std::string base = name.substr(0, name.rfind('.') + 1);
    if (weights_.has(name)) {
      // qkv widths are those of the SuperTransformer in these sets, so leading rows serve in_proj
      // too.
      return block(name, 0, shape[0], cols);
    }
    static const std::map<std::string, int> kPart = {
        {"q_proj_weight", 0}, {"k_proj_weight", 1}, {"v_proj_weight", 2}};
    if (const auto part = kPart.find(end); part != kPart.end())
      return block(base + "in_proj_weight", part->second * shape[0], shape[0], cols);
    HAT_CHECK(end == "in_proj_weight", ErrorKind::kData, "no tensor for " + name);
    std::vector<float> out;
    for (const auto& [piece, part] : kPart) {
      (void)part;
      const auto rows = block(base + piece, 0, shape[0] / 3, cols);
      if (piece == "q_proj_weight") {
        out.insert(out.begin(), rows.begin(), rows.end());
      } else {
        out.insert(out.end(), rows.begin(), rows.end());
      }
    }
    return out;
  }

  fs::path folder_;
  config::Json manifest_;
  tensor::SafetensorsFile weights_;
};

}  // namespace hat::edge::testing
