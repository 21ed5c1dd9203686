#include <algorithm>
#include <cmath>
#include <cstring>

#include "edge/engine.h"

namespace hat::edge {
namespace {

// Queries attended at once: bounds the memory for scores of a long sentence.
constexpr uint32_t kQueryBlock = 32;

}  // namespace

void Engine::encode(std::span<Sentence> sentences) {
  sentences_ = sentences;
  size_t tokens = 0;
  size_t longest = 0;
  for (Sentence& sentence : sentences_) {
    sentence.row = tokens;
    tokens += sentence.source.size();
    longest = std::max(longest, sentence.source.size());
  }
  reserve_encoder(tokens, longest);
  reserve_caches();
  embed_source();
  const auto width = static_cast<uint32_t>(network_.architecture.encoder_embed_dim);
  for (size_t i = 0; i < network_.encoder.size(); ++i) {
    encoder_layer(network_.encoder[i], tokens);
    for (size_t kept = 0; kept < pieces_kept_.size(); ++kept) {
      if (pieces_kept_[kept] == static_cast<int>(i))
        std::copy_n(x_.data(), tokens * width, pieces_.data() + kept * tokens * width);
    }
  }
  if (network_.options.pre_norm)
    norm_rows(network_.encoder_norm, x_.data(), tokens, width, x_.data());
  for (size_t layer = 0; layer < network_.decoder.size(); ++layer) fill_cross_cache(layer, tokens);
}

void Engine::reserve_encoder(size_t tokens, size_t longest) {
  const auto width = static_cast<size_t>(network_.architecture.encoder_embed_dim);
  x_.ensure(tokens * width);
  if (network_.options.pre_norm) normed_.ensure(tokens * width);
  pieces_.ensure(std::max<size_t>(1, pieces_kept_.size() * tokens * width));
  wide_.ensure(tokens * std::max<size_t>(3 * widest_qkv_, 2 * widest_cross_));
  attended_.ensure(tokens * widest_qkv_);
  // A part's scratch: transposed keys of one head and the scores of a block of queries.
  const size_t most_parts = parts_of(sentences_.size() * most_heads_);
  scratch_.ensure(most_parts * (widest_head_ + kQueryBlock) * padded(longest));
  attend_floats_ = (widest_head_ + kQueryBlock) * padded(longest);
}

void Engine::reserve_caches() {
  size_t self = 0;
  size_t cross = 0;
  size_t attention = 0;
  for (Sentence& sentence : sentences_) {
    const auto positions = static_cast<size_t>(sentence.max_positions);
    sentence.self_cache = self;
    self += positions * static_cast<size_t>(sentence.beam) * self_position_floats_;
    sentence.cross_cache = cross;
    for (size_t layer = 0; layer < network_.decoder.size(); ++layer)
      cross += cross_floats(layer, sentence);
    sentence.attention = attention;
    if (sentence.keep_attention)
      attention += positions * static_cast<size_t>(sentence.beam) * sentence.source.size();
  }
  self_cache_.ensure(self);
  cross_cache_.ensure(cross);
  if (attention > 0) attention_.ensure(attention);
}

void Engine::embed_source() {
  size_t longest = 0;
  for (const Sentence& sentence : sentences_) longest = std::max(longest, sentence.source.size());
  const float* positions = position_rows(true, longest);
  const auto width = static_cast<uint32_t>(network_.architecture.encoder_embed_dim);
  const float scale = network_.encoder_embed_scale;
  const uint32_t shared = network_.shared_embeddings() ? std::min(width, network_.output.k) : 0;
  for (const Sentence& sentence : sentences_) {
    for (size_t i = 0; i < sentence.source.size(); ++i) {
      float* row = x_.data() + (sentence.row + i) * width;
      const auto word = static_cast<uint32_t>(sentence.source[i]);
      if (shared > 0) dequantize_row(network_.output, word, shared, scale, row);
      if (shared < width)
        dequantize_row(network_.encoder_embed, word, width - shared, scale, row + shared);
      kernels_.add(positions + i * width, width, row);
    }
  }
}

void Engine::encoder_layer(const EncoderBlock& block, size_t tokens) {
  const auto width = static_cast<uint32_t>(network_.architecture.encoder_embed_dim);
  const bool pre_norm = network_.options.pre_norm;
  float* x = x_.data();
  float* normed = pre_norm ? normed_.data() : x;
  Epilogue add;
  add.residual = x;

  if (pre_norm) norm_rows(block.self_norm, x, tokens, width, normed);
  linear(block.self_in, normed, tokens, wide_.data());
  encoder_attention(block);
  linear(block.self_out, attended_.data(), tokens, x, add);
  norm_rows(pre_norm ? block.final_norm : block.self_norm, x, tokens, width, normed);
  feed_forward(block.fc1, block.fc2, normed, tokens, x, x);
  if (!pre_norm) norm_rows(block.final_norm, x, tokens, width, x);
}

void Engine::encoder_attention(const EncoderBlock& block) {
  const size_t heads = block.heads;
  const size_t tasks = sentences_.size() * heads;
  const size_t parts = parts_of(tasks);
  pool_.parallel_for(parts, [&](size_t part) {
    for (size_t task = tasks * part / parts; task < tasks * (part + 1) / parts; ++task) {
      attend_head(block, sentences_[task / heads], static_cast<uint32_t>(task % heads),
                  scratch_.data() + part * attend_floats_);
    }
  });
}

void Engine::attend_head(const EncoderBlock& block, const Sentence& sentence, uint32_t head,
                         float* scratch) {
  const uint32_t d = block.qkv_dim / block.heads;
  const size_t stride = 3 * size_t{block.qkv_dim};
  const auto length = static_cast<uint32_t>(sentence.source.size());
  const size_t ld = padded(length);
  const float* queries = wide_.data() + sentence.row * stride + size_t{head} * d;
  const float* keys = queries + block.qkv_dim;
  const float* values = keys + block.qkv_dim;
  float* out = attended_.data() + sentence.row * block.qkv_dim + size_t{head} * d;
  float* keys_t = scratch;
  float* scores = scratch + d * ld;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  transpose_keys(keys, stride, length, d, keys_t, ld);
  for (uint32_t first = 0; first < length; first += kQueryBlock) {
    const uint32_t count = std::min(kQueryBlock, length - first);
    kernels_.shared_scores(queries + first * stride, stride, count, keys_t, ld, length, d, scale,
                           scores, ld);
    for (uint32_t i = 0; i < count; ++i) kernels_.softmax(scores + i * ld, length);
    kernels_.shared_values(scores, ld, count, values, stride, length, d,
                           out + size_t{first} * block.qkv_dim, block.qkv_dim);
  }
}

const float* Engine::memory_piece(int index, size_t tokens) const {
  if (index == arch::kFinalOutput) return x_.data();
  const auto width = static_cast<size_t>(network_.architecture.encoder_embed_dim);
  const auto found = std::find(pieces_kept_.begin(), pieces_kept_.end(), index);
  return pieces_.data() + static_cast<size_t>(found - pieces_kept_.begin()) * tokens * width;
}

void Engine::fill_cross_cache(size_t layer, size_t tokens) {
  const DecoderBlock& block = network_.decoder[layer];
  const size_t row = 2 * size_t{block.cross_qkv_dim};
  float* wide = wide_.ensure(std::max(wide_.size(), block.memory.size() * tokens * row));
  for (size_t piece = 0; piece < block.memory.size(); ++piece) {
    linear(block.cross_kv, memory_piece(block.memory[piece], tokens), tokens,
           wide + piece * tokens * row);
  }
  for (const Sentence& sentence : sentences_) store_cross(layer, sentence, tokens);
}

void Engine::store_cross(size_t layer, const Sentence& sentence, size_t tokens) {
  const DecoderBlock& block = network_.decoder[layer];
  const size_t qkv = block.cross_qkv_dim;
  const size_t d = qkv / block.cross_heads;
  const size_t length = sentence.source.size();
  const size_t total = cross_length(layer, sentence);
  float* values = cross_values(layer, sentence);
  float* keys = gathered_.ensure(total * qkv);
  for (size_t t = 0; t < total; ++t) {
    const size_t piece = t / length;
    const float* row = wide_.data() + (piece * tokens + sentence.row + t % length) * 2 * qkv;
    std::copy_n(row, qkv, keys + t * qkv);
    for (size_t head = 0; head < block.cross_heads; ++head)
      std::copy_n(row + qkv + head * d, d, values + (head * total + t) * d);
  }
  transpose_keys(keys, qkv, static_cast<uint32_t>(total), block.cross_qkv_dim,
                 cross_keys(layer, sentence), padded(total));
}

size_t Engine::cross_floats(size_t layer, const Sentence& sentence) const {
  const size_t length = cross_length(layer, sentence);
  return network_.decoder[layer].cross_qkv_dim * (padded(length) + length);
}

float* Engine::cross_keys(size_t layer, const Sentence& sentence) const {
  size_t offset = sentence.cross_cache;
  for (size_t i = 0; i < layer; ++i) offset += cross_floats(i, sentence);
  return cross_cache_.data() + offset;
}

float* Engine::cross_values(size_t layer, const Sentence& sentence) const {
  return cross_keys(layer, sentence) +
         network_.decoder[layer].cross_qkv_dim * padded(cross_length(layer, sentence));
}

}  // namespace hat::edge
