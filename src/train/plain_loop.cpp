#include "plain_loop.h"

#include <torch/torch.h>

#include <cmath>

#include "hat/base/strings.h"

namespace hat::train {
namespace {

constexpr double kDropout = 0.1;
constexpr int kLongest = 256;

torch::Tensor sinusoids(int width) {
  torch::Tensor table = torch::zeros({kLongest, width});
  for (int position = 0; position < kLongest; ++position) {
    for (int i = 0; i < width; i += 2) {
      const double angle = position / std::pow(10000.0, static_cast<double>(i) / width);
      table[position][i] = std::sin(angle);
      if (i + 1 < width) table[position][i + 1] = std::cos(angle);
    }
  }
  return table;
}

}  // namespace

struct PlainLoop::Impl {
  torch::nn::Embedding embedding = nullptr;
  torch::nn::Transformer transformer = nullptr;
  torch::nn::Linear output = nullptr;
  torch::nn::Dropout dropout{kDropout};
  torch::Tensor positions;
  double scale;
  std::unique_ptr<torch::optim::Adam> adam;

  torch::Tensor embed(const torch::Tensor& tokens) {
    const torch::Tensor x = embedding(tokens.t()) * scale;  // [length, rows, width]
    return dropout(x + positions.slice(0, 0, x.size(0)).unsqueeze(1));
  }
};

PlainLoop::PlainLoop(const TrainBenchmarkOptions& options) : impl_(std::make_unique<Impl>()) {
  torch::manual_seed(static_cast<int64_t>(options.seed));
  Impl& m = *impl_;
  m.embedding = torch::nn::Embedding(
      torch::nn::EmbeddingOptions(options.vocabulary, options.width).padding_idx(model::kPadId));
  m.transformer = torch::nn::Transformer(
      torch::nn::TransformerOptions(options.width, options.heads, options.layers, options.layers)
          .dim_feedforward(options.ffn_dim)
          .dropout(kDropout));
  m.output =
      torch::nn::Linear(torch::nn::LinearOptions(options.width, options.vocabulary).bias(false));
  m.output->weight = m.embedding->weight;
  m.positions = sinusoids(options.width);
  m.scale = std::sqrt(static_cast<double>(options.width));
  std::vector<torch::Tensor> parameters = m.embedding->parameters();
  for (const torch::Tensor& p : m.transformer->parameters()) parameters.push_back(p);
  m.adam = std::make_unique<torch::optim::Adam>(parameters,
                                                torch::optim::AdamOptions(1e-4).betas({0.9, 0.98}));
}

PlainLoop::~PlainLoop() = default;

void PlainLoop::step(const TensorBatch& batch) {
  Impl& m = *impl_;
  m.adam->zero_grad();
  const torch::Tensor source_padding = batch.source.eq(model::kPadId);
  const torch::Tensor target_padding = batch.prev_output.eq(model::kPadId);
  const torch::Tensor causal =
      torch::nn::TransformerImpl::generate_square_subsequent_mask(batch.target.size(1));
  const torch::Tensor hidden = m.transformer->forward(
      m.embed(batch.source), m.embed(batch.prev_output),
      /*src_mask=*/{}, causal, /*memory_mask=*/{}, source_padding, target_padding, source_padding);
  const torch::Tensor logits = m.output(hidden);
  const torch::Tensor loss = torch::nn::functional::cross_entropy(
      logits.reshape({-1, logits.size(-1)}), batch.target.t().reshape({-1}),
      torch::nn::functional::CrossEntropyFuncOptions()
          .ignore_index(model::kPadId)
          .label_smoothing(0.1));
  loss.backward();
  m.adam->step();
}

}  // namespace hat::train
