#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

#include "edge/memory.h"
#include "edge/network.h"
#include "hat/edge/thread_pool.h"

namespace hat::edge {

/// A sentence being translated, as the network sees it.
struct Sentence {
  std::span<const int> source;
  int beam = 1;           ///< rows at once
  int max_positions = 0;  ///< target positions that may be decoded
  bool keep_attention = false;
  // Set by Engine::encode: where the sentence's rows and caches begin.
  size_t row = 0;
  size_t self_cache = 0;
  size_t cross_cache = 0;
  size_t attention = 0;
};

/// One hypothesis to be continued by one token.
struct Row {
  uint32_t sentence = 0;
  int token = 0;
  int beam = 0;                    ///< which of the sentence's rows of this position
  std::span<const int32_t> slots;  ///< cache slot of every position up to this one (its own last)
};

/// The network, run on a batch of sentences without any padding: encoder rows and decoder rows of
/// all sentences lie one after the other, and every row is computed as if it were alone, so results
/// do not depend on the batch. Caches stay where they were written; beams refer to them by slot.
class Engine {
 public:
  Engine(const Network& network, int threads);

  /// Runs the encoder and computes keys and values of cross-attention. The sentences are kept (by
  /// reference) until the next call.
  void encode(std::span<Sentence> sentences);
  /// One decoder step. All rows of a sentence must be adjacent and at the same position. The result
  /// [rows, decoder width] is what the output layer takes; valid until the next call.
  const float* step(std::span<const Row> rows);
  /// Mean attention of the chosen heads to each source position, of row `beam` of position t of a
  /// sentence that asked for it: source.size() floats.
  const float* attention(const Sentence& sentence, size_t t, int32_t beam) const;

  ThreadPool& pool() { return pool_; }
  const Network& network() const { return network_; }

 private:
  void linear(const Linear& weights, const float* x, size_t rows, float* y,
              const Epilogue& epilogue = {});
  /// Calls f(row) for all rows, on all threads where that pays.
  template <class F>
  void for_rows(size_t rows, F&& f);
  /// Parts that tasks of different sizes are divided into: more than threads, so that none waits
  /// long for another.
  size_t parts_of(size_t tasks) const {
    return pool_.threads() == 1 ? 1 : std::min(tasks, 4 * static_cast<size_t>(pool_.threads()));
  }
  void norm_rows(const Norm& norm, const float* x, size_t rows, uint32_t width, float* y);
  void feed_forward(const Linear& fc1, const Linear& fc2, const float* x, size_t rows,
                    const float* residual, float* y);
  const float* position_rows(bool encoder, size_t rows);

  // Encoder (encoder.cpp)
  void reserve_encoder(size_t tokens, size_t longest);
  void reserve_caches();
  void embed_source();
  void encoder_layer(const EncoderBlock& block, size_t tokens);
  void encoder_attention(const EncoderBlock& block);
  void attend_head(const EncoderBlock& block, const Sentence& sentence, uint32_t head,
                   float* scratch);
  void fill_cross_cache(size_t layer, size_t tokens);
  void store_cross(size_t layer, const Sentence& sentence, size_t tokens);
  bool is_memory_piece(int layer) const;
  const float* memory_piece(int index, size_t tokens) const;

  // Decoder (decoder.cpp)
  void embed_target(std::span<const Row> rows);
  void decoder_layer(size_t layer, std::span<const Row> rows);
  void store_self(size_t layer, const Row& row, const float* keys, const float* values,
                  size_t first, size_t count);
  void self_attention(size_t layer, std::span<const Row> rows);
  void cross_attention(size_t layer, std::span<const Row> rows);
  void cross_head(size_t layer, std::span<const Row> rows, size_t first, uint32_t head,
                  float* scores);
  void add_attention(size_t layer, uint32_t head, const Row& row, const float* probabilities);

  // Where things lie. A sentence's self-attention cache is [slot][layer][key | value];
  // its cross-attention cache is, layer after layer, the keys of all heads transposed ([qkv][ld])
  // and the values [head][length][channel].
  float* self_rows(size_t layer, const Sentence& sentence) const {
    return self_cache_.data() + sentence.self_cache + self_offsets_[layer];
  }
  size_t cross_length(size_t layer, const Sentence& sentence) const {
    return network_.decoder[layer].memory.size() * sentence.source.size();
  }
  static size_t padded(size_t length) { return (length + 15) / 16 * 16; }
  size_t cross_floats(size_t layer, const Sentence& sentence) const;
  float* cross_keys(size_t layer, const Sentence& sentence) const;
  float* cross_values(size_t layer, const Sentence& sentence) const;

  const Network& network_;
  ThreadPool pool_;
  const Kernels& kernels_;
  std::span<Sentence> sentences_;
  ActivationBuffer activations_;
  std::vector<float> encoder_positions_;
  std::vector<float> decoder_positions_;
  std::vector<std::vector<float>> head_weights_;  ///< [layer][head] of the alignment's mean
  std::vector<size_t> self_offsets_;              ///< floats of one slot before a layer's keys
  size_t self_position_floats_ = 0;  ///< floats of one slot: keys and values of all layers
  size_t attend_floats_ = 0;         ///< scratch of one part of the encoder's attention
  std::vector<int> pieces_kept_;     ///< encoder layers whose output is kept for cross-attention
  uint32_t widest_qkv_ = 0;
  uint32_t widest_cross_ = 0;
  uint32_t widest_head_ = 0;  ///< channels of the widest head of the encoder
  uint32_t widest_ffn_ = 0;
  uint32_t most_heads_ = 0;

  LazyBuffer<float> x_, wide_, attended_, normed_, pieces_, gathered_;  // encoder
  LazyBuffer<float> hidden_, scratch_;                                  // both
  LazyBuffer<float> row_x_, row_wide_, row_attended_, row_normed_;      // decoder
  LazyBuffer<float> self_cache_, cross_cache_, attention_;
};

template <class F>
void Engine::for_rows(size_t rows, F&& f) {
  // Below this many, one thread is done before two have agreed on who does what.
  constexpr size_t kSerialRows = 16;
  const size_t parts = rows < kSerialRows ? 1 : static_cast<size_t>(pool_.threads());
  pool_.parallel_for(parts, [&](size_t part) {
    for (size_t row = rows * part / parts; row < rows * (part + 1) / parts; ++row) f(row);
  });
}

}  // namespace hat::edge
