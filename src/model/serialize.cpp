#include <ATen/ATen.h>

#include <set>

#include "hat/arch/architecture.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"
#include "hat/model/transformer.h"
#include "hat/tensor/safetensors.h"

namespace hat::model {
namespace {

bool ignored(const std::string& name) {
  const auto ends = [&](const std::string& end) {
    return name.size() >= end.size() &&
           name.compare(name.size() - end.size(), end.size(), end) == 0;
  };
  return ends(".version") || ends("embed_positions._float_tensor");
}

std::string shape_text(const std::vector<int64_t>& shape) {
  std::vector<std::string> parts;
  for (const int64_t n : shape) parts.push_back(std::to_string(n));
  return "[" + join(parts, ", ") + "]";
}

const std::string& metadata_text(const std::map<std::string, std::string>& metadata,
                                 const std::string& key, const std::string& origin) {
  const auto found = metadata.find(key);
  HAT_CHECK(found != metadata.end(), ErrorKind::kData,
            str(origin, ": its metadata has no '", key, "'"),
            "This is not a network saved by hat; give the space or architecture it belongs to.");
  return found->second;
}

void load_weights(Transformer& network, const tensor::SafetensorsFile& file) {
  const ParameterStore& store = network.parameters();
  const at::NoGradGuard no_grad;
  const at::Tensor values = at::zeros(store.values().sizes(), at::kFloat);
  std::set<int> loaded;
  const std::string path = file.path().string();
  for (const tensor::TensorView& view : file.tensors()) {
    const int index = store.find(view.name);
    if (index < 0) {
      HAT_CHECK(ignored(view.name), ErrorKind::kData,
                str(path, ": has the tensor '", view.name, "', which this network has not"),
                "The file belongs to another architecture or other options.");
      continue;
    }
    const Parameter& p = store[index];
    HAT_CHECK(view.shape == p.shape(), ErrorKind::kData,
              str(path, ": '", view.name, "' has the shape ", shape_text(view.shape),
                  ", the network needs ", shape_text(p.shape())),
              "The file belongs to another architecture, vocabulary or other options.");
    // A shared table may be there under both its names; the first one counts, as they are equal.
    if (loaded.insert(index).second) tensor::copy_floats(view, values.data_ptr<float>() + p.offset);
  }
  for (int i = 0; i < store.size(); ++i) {
    HAT_CHECK(loaded.count(i) != 0, ErrorKind::kData,
              str(path, ": has no tensor '", store[i].name, "'"),
              "The file belongs to another architecture or other options.");
  }
  store.values().copy_(values);
  network.parameters().values_changed();
}

}  // namespace

std::map<std::string, std::string> spec_to_metadata(const NetworkSpec& spec) {
  const config::OrderedJson vocabulary{{"source", spec.vocabulary.source},
                                       {"target", spec.vocabulary.target}};
  const config::OrderedJson super{{"encoder_embed_dim", spec.super_encoder_embed_dim},
                                  {"decoder_embed_dim", spec.super_decoder_embed_dim},
                                  {"encoder_layers", spec.super_encoder_layers}};
  return {{"architecture", arch::to_json(spec.capacities).dump()},
          {"options", arch::to_json(spec.options).dump()},
          {"vocabulary", vocabulary.dump()},
          {"super", super.dump()}};
}

NetworkSpec spec_from_metadata(const std::map<std::string, std::string>& metadata,
                               const std::string& origin) {
  const auto parse = [&](const std::string& key) {
    return config::parse_json(metadata_text(metadata, key, origin), origin + ": metadata " + key);
  };
  const auto size = [&](const config::Json& object, const std::string& key) {
    const int64_t value = config::get_int(object, key, origin);
    HAT_CHECK(value >= 0 && value <= 10'000'000, ErrorKind::kData,
              str(origin, ": metadata: ", key, " is ", value));
    return static_cast<int>(value);
  };
  NetworkSpec spec;
  spec.capacities = arch::architecture_from_json(parse("architecture"), origin);
  spec.options = arch::model_options_from_json(parse("options"), origin);
  const config::Json vocabulary = parse("vocabulary");
  spec.vocabulary = {size(vocabulary, "source"), size(vocabulary, "target")};
  const config::Json super = parse("super");
  spec.super_encoder_embed_dim = size(super, "encoder_embed_dim");
  spec.super_decoder_embed_dim = size(super, "decoder_embed_dim");
  spec.super_encoder_layers = size(super, "encoder_layers");
  return spec;
}

void save_transformer(const Transformer& network, const fs::path& path,
                      const std::map<std::string, std::string>& extra) {
  const ParameterStore& store = network.parameters();
  const at::Tensor values = store.values().to(at::kCPU);
  std::vector<tensor::TensorSource> tensors;
  for (const Parameter& p : store.all()) {
    tensors.push_back(
        {p.name, tensor::DType::kF32, p.shape(), values.data_ptr<float>() + p.offset});
  }
  std::map<std::string, std::string> metadata = spec_to_metadata(network.spec());
  metadata.insert(extra.begin(), extra.end());
  tensor::write_safetensors(path, tensors, metadata);
}

std::unique_ptr<Transformer> load_transformer(const fs::path& path, c10::Device device) {
  const tensor::SafetensorsFile file(path);
  const NetworkSpec spec = spec_from_metadata(file.metadata(), path.string());
  // Checked before memory is taken: a small file cannot ask for a large network.
  const int64_t expected = arch::parameters(spec.capacities, spec.options, spec.vocabulary);
  int64_t present = 0;
  for (const tensor::TensorView& view : file.tensors()) present += view.size();
  HAT_CHECK(expected <= present, ErrorKind::kData,
            str(path.string(), ": its metadata describes a network of ", expected,
                " weights, but it holds ", present));
  auto network = std::make_unique<Transformer>(spec, device);
  load_weights(*network, file);
  return network;
}

void load_weights(Transformer& network, const fs::path& path) {
  load_weights(network, tensor::SafetensorsFile(path));
}

}  // namespace hat::model
