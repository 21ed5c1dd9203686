#include "hat/edge/model.h"

#include <new>

#include "edge/kernels/huge_pages.h"
#include "edge/network.h"
#include "hat/base/error.h"
#include "hat/base/memory.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"

namespace hat::edge {
namespace {

double bytes_of(const PackedMatrix& matrix) {
  return matrix.n == 0 ? 0 : static_cast<double>(packed_bytes(matrix.type, matrix.n, matrix.k));
}
double bytes_of(const Linear& linear) { return bytes_of(linear.weight) + 4.0 * linear.weight.n; }

config::OrderedJson parsed_or_text(std::string_view text) {
  if (text.empty()) return nullptr;
  auto value = config::OrderedJson::parse(text.begin(), text.end(), nullptr, false);
  if (value.is_discarded()) return std::string(text);
  return value;
}

}  // namespace

Model::Model() : network_(std::make_unique<Network>()) {}
Model::~Model() = default;

std::shared_ptr<const Model> Model::open(const fs::path& path) {
  std::shared_ptr<Model> model(new Model);
  model->network_->mapped = MappedFile(path);
  read_network(model->network_->mapped.bytes(), path.string(), model->network_.get());
  return model;
}

std::shared_ptr<const Model> Model::load(const fs::path& path) {
  // Mapped and checked first: what is no model is not read into memory.
  std::shared_ptr<const Model> mapped = open(path);
  const size_t size = mapped->file_bytes();
  const auto available = available_memory();
  const bool fits = available && static_cast<int64_t>(2 * size) <= *available;
  if (!has_huge_pages(size) || !fits) return mapped;
  mapped.reset();  // its pages would count beside the copy
  try {
    return from_bytes(aligned_bytes(size, [&](std::span<std::byte> out) { read_into(path, out); }),
                      path.string());
  } catch (const std::bad_alloc&) {
    return open(path);  // less than the system said, or a limit that it does not tell
  }
}

std::shared_ptr<const Model> Model::from_bytes(ModelBytes bytes, const std::string& name) {
  std::shared_ptr<Model> model(new Model);
  model->network_->owned = std::move(bytes);
  read_network(model->network_->owned.bytes(), name, model->network_.get());
  return model;
}

const arch::Architecture& Model::architecture() const { return network_->architecture; }
const arch::ModelOptions& Model::options() const { return network_->options; }
const arch::Vocabulary& Model::vocabulary() const { return network_->vocabulary; }
arch::Precision Model::precision() const { return network_->precision; }
std::string_view Model::source_tokenizer() const { return network_->source_tokenizer; }
std::string_view Model::target_tokenizer() const { return network_->target_tokenizer; }
bool Model::has_shortlist() const { return !network_->shortlist.empty(); }
std::string_view Model::config_json() const { return network_->config_json; }
std::string_view Model::provenance_json() const { return network_->provenance_json; }
const std::string& Model::id() const { return network_->id; }
size_t Model::file_bytes() const { return network_->file_bytes; }

double Model::decoder_step_bytes() const {
  double total = bytes_of(network_->output);
  for (const auto& block : network_->decoder) {
    for (const Linear* linear : {&block.self_in, &block.self_out, &block.cross_q, &block.cross_out,
                                 &block.fc1, &block.fc2})
      total += bytes_of(*linear);
  }
  return total;
}

double Model::encoder_bytes() const {
  double total = 0;
  for (const auto& block : network_->encoder) {
    for (const Linear* linear : {&block.self_in, &block.self_out, &block.fc1, &block.fc2})
      total += bytes_of(*linear);
  }
  for (const auto& block : network_->decoder) {
    total += bytes_of(block.cross_kv) * static_cast<double>(block.memory.size());
  }
  return total;
}

std::string describe_model_file(const fs::path& path) {
  const auto model = Model::open(path);
  const Network& network = model->network();
  const auto& options = network.options;
  static constexpr const char* kEmbeddings[] = {"shared", "decoder", "separate"};
  config::OrderedJson out;
  out["file"] = path.filename().string();
  out["format_version"] = kFormatVersion;
  out["id"] = network.id;
  out["precision"] = arch::precision_name(network.precision);
  out["file_bytes"] = network.file_bytes;
  out["architecture_id"] = arch::architecture_id(network.architecture);
  out["architecture"] = arch::to_json(network.architecture);
  out["options"] = {{"pre_norm", options.pre_norm},
                    {"embeddings", kEmbeddings[static_cast<int>(options.embeddings)]},
                    {"activation", options.activation},
                    {"layer_norm_epsilon", options.layer_norm_epsilon},
                    {"max_positions", options.max_positions},
                    {"compat", options.compat},
                    {"scale_embeddings_by_super", options.scale_embeddings_by_super}};
  out["vocabulary"] = {{"source", network.vocabulary.source},
                       {"target", network.vocabulary.target}};
  out["parameters"] = arch::parameters(network.architecture, options, network.vocabulary);
  out["bytes"] = {
      {"encoder", model->encoder_bytes()},
      {"decoder_step", model->decoder_step_bytes()},
      {"output", bytes_of(network.output)},
      {"tokenizers", network.source_tokenizer.size() +
                         (network.target_tokenizer.data() == network.source_tokenizer.data()
                              ? 0
                              : network.target_tokenizer.size())}};
  out["shortlist"] = {{"always", network.shortlist.always.size()},
                      {"candidates", network.shortlist.candidates.size()}};
  auto heads = config::OrderedJson::array();
  for (const auto& [layer, head] : network.alignment_heads) heads.push_back({layer, head});
  out["alignment_heads"] = heads;
  out["config"] = parsed_or_text(network.config_json);
  out["provenance"] = parsed_or_text(network.provenance_json);
  return out.dump(2);
}

}  // namespace hat::edge
