#include <algorithm>
#include <cmath>

#include "edge/engine.h"
#include "hat/base/error.h"

namespace hat::edge {

const float* Engine::step(std::span<const Row> rows) {
  const size_t count = rows.size();
  const auto width = static_cast<uint32_t>(network_.architecture.decoder_embed_dim);
  row_x_.ensure(count * width);
  row_normed_.ensure(count * width);
  row_wide_.ensure(count * std::max(3 * widest_qkv_, widest_cross_));
  row_attended_.ensure(count * std::max(widest_qkv_, widest_cross_));
  embed_target(rows);
  for (size_t layer = 0; layer < network_.decoder.size(); ++layer) decoder_layer(layer, rows);
  if (network_.options.pre_norm)
    norm_rows(network_.decoder_norm, row_x_.data(), count, width, row_x_.data());
  return row_x_.data();
}

void Engine::embed_target(std::span<const Row> rows) {
  size_t longest = 0;
  for (const Row& row : rows) longest = std::max(longest, row.slots.size());
  const float* positions = position_rows(false, longest);
  const auto width = static_cast<uint32_t>(network_.architecture.decoder_embed_dim);
  for_rows(rows.size(), [&](size_t i) {
    float* x = row_x_.data() + i * width;
    dequantize_row(network_.decoder_embed, static_cast<uint32_t>(rows[i].token), width,
                   network_.decoder_embed_scale, x);
    kernels_.add(positions + (rows[i].slots.size() - 1) * width, width, x);
  });
}

void Engine::decoder_layer(size_t layer, std::span<const Row> rows) {
  const DecoderBlock& block = network_.decoder[layer];
  const auto width = static_cast<uint32_t>(network_.architecture.decoder_embed_dim);
  const size_t count = rows.size();
  const bool pre_norm = network_.options.pre_norm;
  float* x = row_x_.data();
  float* normed = pre_norm ? row_normed_.data() : x;
  Epilogue add;
  add.residual = x;

  if (pre_norm) norm_rows(block.self_norm, x, count, width, normed);
  linear(block.self_in, normed, count, row_wide_.data());
  self_attention(layer, rows);
  linear(block.self_out, row_attended_.data(), count, x, add);

  norm_rows(pre_norm ? block.cross_norm : block.self_norm, x, count, width, normed);
  linear(block.cross_q, normed, count, row_wide_.data());
  cross_attention(layer, rows);
  linear(block.cross_out, row_attended_.data(), count, x, add);

  norm_rows(pre_norm ? block.final_norm : block.cross_norm, x, count, width, normed);
  feed_forward(block.fc1, block.fc2, normed, count, x, x);
  if (!pre_norm) norm_rows(block.final_norm, x, count, width, x);
}

/// Keeps `count` channels of keys and values, from channel `first`, in the row's own slot.
void Engine::store_self(size_t layer, const Row& row, const float* keys, const float* values,
                        size_t first, size_t count) {
  const size_t qkv = network_.decoder[layer].self_qkv_dim;
  const Sentence& sentence = sentences_[row.sentence];
  HAT_DCHECK(row.slots.back() < sentence.beam * sentence.max_positions);
  const auto slot = static_cast<size_t>(row.slots.back());
  float* target = self_rows(layer, sentence) + slot * self_position_floats_ + first;
  std::copy_n(keys, count, target);
  std::copy_n(values, count, target + qkv);
}

void Engine::self_attention(size_t layer, std::span<const Row> rows) {
  const DecoderBlock& block = network_.decoder[layer];
  const uint32_t d = block.self_qkv_dim / block.self_heads;
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  size_t longest = 0;
  for (const Row& row : rows) longest = std::max(longest, row.slots.size());
  const size_t ld = padded(longest);
  const size_t per_row = block.self_heads * ld;
  float* scratch = scratch_.ensure(std::max(scratch_.size(), rows.size() * per_row));
  // Half the heads of one row are one task, so that two threads share five rows evenly.
  const uint32_t groups = pool_.threads() > 1 && block.self_heads % 2 == 0 ? 2 : 1;
  const uint32_t heads = block.self_heads / groups;
  pool_.parallel_for(rows.size() * groups, [&](size_t task) {
    const size_t i = task / groups;
    const size_t head = task % groups * heads;
    const Row& row = rows[i];
    const Sentence& sentence = sentences_[row.sentence];
    const auto length = static_cast<uint32_t>(row.slots.size());
    CachedRows cache;
    cache.base = self_rows(layer, sentence) + head * d;
    cache.slot_stride = self_position_floats_;
    cache.slots = row.slots.data();
    float* scores = scratch + i * per_row + head * ld;
    const float* query = row_wide_.data() + i * 3 * block.self_qkv_dim + head * d;
    // A row sees its own slot of this position only, so every task stores what it will read.
    store_self(layer, row, query + block.self_qkv_dim, query + 2 * size_t{block.self_qkv_dim},
               head * d, size_t{heads} * d);
    kernels_.cached_scores(query, cache, length, heads, d, scale, scores, ld);
    for (uint32_t h = 0; h < heads; ++h) kernels_.softmax(scores + h * ld, length);
    cache.base += block.self_qkv_dim;
    kernels_.cached_values(scores, ld, cache, length, heads, d,
                           row_attended_.data() + i * block.self_qkv_dim + head * d);
  });
}

void Engine::cross_attention(size_t layer, std::span<const Row> rows) {
  const DecoderBlock& block = network_.decoder[layer];
  size_t largest = 0;
  bool keep = false;
  // Rows of one sentence are adjacent and share its keys and values.
  size_t groups = 0;
  for (size_t i = 0; i < rows.size(); ++i) {
    const Sentence& sentence = sentences_[rows[i].sentence];
    if (i == 0 || rows[i].sentence != rows[i - 1].sentence) ++groups;
    largest = std::max(largest,
                       static_cast<size_t>(sentence.beam) * padded(cross_length(layer, sentence)));
    keep = keep || sentence.keep_attention;
  }
  // Attention that is kept is summed over heads: in one order, by one thread.
  const size_t tasks = groups * block.cross_heads;
  const size_t parts = keep ? 1 : parts_of(tasks);
  float* scratch = scratch_.ensure(std::max(scratch_.size(), parts * largest));
  pool_.parallel_for(parts, [&](size_t part) {
    const size_t begin = tasks * part / parts;
    const size_t end = tasks * (part + 1) / parts;
    size_t task = 0;
    for (size_t first = 0; first < rows.size();) {
      size_t count = 1;
      while (first + count < rows.size() && rows[first + count].sentence == rows[first].sentence)
        ++count;
      for (uint32_t head = 0; head < block.cross_heads; ++head, ++task) {
        if (task >= begin && task < end)
          cross_head(layer, rows.subspan(first, count), first, head, scratch + part * largest);
      }
      first += count;
    }
  });
}

void Engine::cross_head(size_t layer, std::span<const Row> rows, size_t first, uint32_t head,
                        float* scores) {
  const DecoderBlock& block = network_.decoder[layer];
  const Sentence& sentence = sentences_[rows.front().sentence];
  const size_t qkv = block.cross_qkv_dim;
  const uint32_t d = block.cross_qkv_dim / block.cross_heads;
  const auto count = static_cast<uint32_t>(rows.size());
  const auto length = static_cast<uint32_t>(cross_length(layer, sentence));
  const size_t ld = padded(length);
  const float scale = 1.0f / std::sqrt(static_cast<float>(d));
  const float* queries = row_wide_.data() + first * qkv + size_t{head} * d;
  const float* keys = cross_keys(layer, sentence) + size_t{head} * d * ld;
  kernels_.shared_scores(queries, qkv, count, keys, ld, length, d, scale, scores, ld);
  for (uint32_t i = 0; i < count; ++i) {
    kernels_.softmax(scores + i * ld, length);
    if (sentence.keep_attention) add_attention(layer, head, rows[i], scores + i * ld);
  }
  const float* values = cross_values(layer, sentence) + size_t{head} * length * d;
  kernels_.shared_values(scores, ld, count, values, d, length, d,
                         row_attended_.data() + first * qkv + size_t{head} * d, qkv);
}

void Engine::add_attention(size_t layer, uint32_t head, const Row& row,
                           const float* probabilities) {
  const Sentence& sentence = sentences_[row.sentence];
  const size_t length = sentence.source.size();
  float* sum = attention_.data() + sentence.attention +
               ((row.slots.size() - 1) * static_cast<size_t>(sentence.beam) +
                static_cast<size_t>(row.beam)) *
                   length;
  if (layer == 0 && head == 0) std::fill_n(sum, length, 0.0f);
  const float weight = head_weights_[layer][head];
  if (weight == 0) return;
  // Pieces of the memory are the same words seen by different encoder layers.
  const size_t total = cross_length(layer, sentence);
  for (size_t t = 0; t < total; ++t) sum[t % length] += weight * probabilities[t];
}

const float* Engine::attention(const Sentence& sentence, size_t t, int32_t beam) const {
  return attention_.data() + sentence.attention +
         (t * static_cast<size_t>(sentence.beam) + static_cast<size_t>(beam)) *
             sentence.source.size();
}

}  // namespace hat::edge
