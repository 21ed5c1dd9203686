#include "edge/engine.h"

#include <algorithm>
#include <bit>

#include "hat/arch/positions.h"
#include "hat/base/error.h"

namespace hat::edge {
namespace {

// Products of more rows than this are done in blocks: so many are enough to use the weights well,
// and what passes from one product to the next (2,048 floats a row) stays in the second cache.
constexpr size_t kBlockRows = 96;

uint32_t widest_input(const Network& network) {
  uint32_t widest = static_cast<uint32_t>(
      std::max(network.architecture.encoder_embed_dim, network.architecture.decoder_embed_dim));
  for (const auto& block : network.encoder)
    widest = std::max({widest, block.qkv_dim, block.ffn_dim});
  for (const auto& block : network.decoder)
    widest = std::max({widest, block.self_qkv_dim, block.cross_qkv_dim, block.ffn_dim});
  return widest;
}

/// The weight of every head in the mean that alignments are taken from.
std::vector<std::vector<float>> alignment_weights(const Network& network) {
  std::vector<std::vector<float>> weights;
  for (const auto& block : network.decoder) weights.emplace_back(block.cross_heads, 0.0f);
  if (network.alignment_heads.empty()) {
    auto& last = weights.back();
    std::fill(last.begin(), last.end(), 1.0f / static_cast<float>(last.size()));
  }
  for (const auto& [layer, head] : network.alignment_heads) {
    weights[static_cast<size_t>(layer)][static_cast<size_t>(head)] +=
        1.0f / static_cast<float>(network.alignment_heads.size());
  }
  return weights;
}

}  // namespace

Engine::Engine(const Network& network, int threads)
    : network_(network),
      pool_(threads),
      kernels_(kernels()),
      activations_(kBlockRows, widest_input(network)),
      head_weights_(alignment_weights(network)) {
  for (const auto& block : network.encoder) {
    widest_qkv_ = std::max(widest_qkv_, block.qkv_dim);
    widest_ffn_ = std::max(widest_ffn_, block.ffn_dim);
    widest_head_ = std::max(widest_head_, block.qkv_dim / block.heads);
    most_heads_ = std::max(most_heads_, block.heads);
  }
  for (const auto& block : network.decoder) {
    self_offsets_.push_back(self_position_floats_);
    self_position_floats_ += 2 * size_t{block.self_qkv_dim};
    widest_qkv_ = std::max(widest_qkv_, block.self_qkv_dim);
    widest_cross_ = std::max(widest_cross_, block.cross_qkv_dim);
    widest_ffn_ = std::max(widest_ffn_, block.ffn_dim);
    most_heads_ = std::max({most_heads_, block.self_heads, block.cross_heads});
    for (const int piece : block.memory) {
      const bool known =
          std::find(pieces_kept_.begin(), pieces_kept_.end(), piece) != pieces_kept_.end();
      if (piece != arch::kFinalOutput && !known) pieces_kept_.push_back(piece);
    }
  }
}

void Engine::linear(const Linear& weights, const float* x, size_t rows, float* y,
                    const Epilogue& epilogue) {
  const PackedMatrix& w = weights.weight;
  for (size_t first = 0; first < rows; first += kBlockRows) {
    const auto count = static_cast<uint32_t>(std::min(kBlockRows, rows - first));
    const Activations input =
        activations_.prepare(w.type, x + first * w.k, w.k, count, w.k, &pool_);
    Epilogue block = epilogue;
    block.bias = weights.bias;
    if (block.residual != nullptr) {
      block.residual += first * w.n;
      block.ld_residual = w.n;
    }
    gemm(w, input, y + first * w.n, w.n, block, &pool_);
  }
}

void Engine::norm_rows(const Norm& norm, const float* x, size_t rows, uint32_t width, float* y) {
  for_rows(rows, [&](size_t row) {
    kernels_.layer_norm(x + row * width, width, norm.gain, norm.bias, network_.epsilon,
                        y + row * width);
  });
}

void Engine::feed_forward(const Linear& fc1, const Linear& fc2, const float* x, size_t rows,
                          const float* residual, float* y) {
  const uint32_t ffn = fc1.weight.n;
  const uint32_t width = fc1.weight.k;
  float* hidden = hidden_.ensure(std::min(rows, kBlockRows) * ffn);
  for (size_t first = 0; first < rows; first += kBlockRows) {
    const size_t count = std::min(kBlockRows, rows - first);
    Epilogue activate;
    activate.activation = network_.activation;
    linear(fc1, x + first * width, count, hidden, activate);
    Epilogue add;
    add.residual = residual + first * width;
    linear(fc2, hidden, count, y + first * width, add);
  }
}

const float* Engine::position_rows(bool encoder, size_t rows) {
  const auto& architecture = network_.architecture;
  const int width = encoder ? architecture.encoder_embed_dim : architecture.decoder_embed_dim;
  auto& table = encoder ? encoder_positions_ : decoder_positions_;
  const size_t wanted = (rows + arch::kFirstPosition) * static_cast<size_t>(width);
  if (table.size() < wanted) {
    const int trained = encoder ? network_.encoder_position_width : network_.decoder_position_width;
    const int super_width = trained > 0 ? trained : width;
    const auto grown = static_cast<int>(std::bit_ceil(rows + arch::kFirstPosition));
    table = arch::position_table(network_.options, width, super_width, grown);
  }
  return table.data() + static_cast<size_t>(arch::kFirstPosition * width);
}

}  // namespace hat::edge
