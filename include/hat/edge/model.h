#pragma once

#include <memory>
#include <span>
#include <string>

#include "hat/arch/architecture.h"
#include "hat/arch/cost.h"
#include "hat/base/file.h"
#include "hat/edge/model_file.h"

namespace hat::edge {

struct Network;  // src/edge/network.h

/// A model file, checked and ready: the weights stay where they are (mapped or in memory) and are
/// shared by all translators of this model. Immutable, so any number of threads may use it.
class Model {
 public:
  /// Maps the file and checks every field, offset, shape and size before any is used. Throws kIo
  /// when it cannot be read, kData naming file and field when it is not a valid model file.
  static std::shared_ptr<const Model> open(const fs::path& path);
  /// The same for translating: where the system has huge pages and memory to spare, the file is
  /// read into them, which costs some milliseconds once and speeds up every step of a decoder.
  static std::shared_ptr<const Model> load(const fs::path& path);
  /// The same for a file in memory, which the model keeps; `name` stands for the path in messages.
  static std::shared_ptr<const Model> from_bytes(ModelBytes bytes, const std::string& name);
  ~Model();
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const arch::Architecture& architecture() const;
  const arch::ModelOptions& options() const;
  const arch::Vocabulary& vocabulary() const;
  arch::Precision precision() const;
  /// SentencePiece .model bytes; the same for a joint tokenizer, empty when the file has none.
  std::string_view source_tokenizer() const;
  std::string_view target_tokenizer() const;
  bool has_shortlist() const;
  std::string_view config_json() const;
  std::string_view provenance_json() const;
  /// 16 hexadecimal digits over architecture, options, precision and a sample of the weights: the
  /// name of this model beside every number that is measured with it.
  const std::string& id() const;
  size_t file_bytes() const;
  /// Bytes of weights that one decoding step reads (all decoder layers and the output layer), and
  /// that encoding one sentence reads; cross-attention keys and values count to the encoder.
  double decoder_step_bytes() const;
  double encoder_bytes() const;

  const Network& network() const { return *network_; }

 private:
  Model();
  std::unique_ptr<Network> network_;
};

}  // namespace hat::edge
