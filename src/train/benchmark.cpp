#include "hat/train/benchmark.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <vector>

#include "benchmark_corpus.h"
#include "benchmark_trainee.h"
#include "hat/base/clock.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "hat/data/batch.h"
#include "hat/model/transformer.h"
#include "plain_loop.h"

namespace hat::train {
namespace {

constexpr int kSentences = 3000;
constexpr int kFewestTurns = 3, kMostTurns = 50;

double padding(const std::vector<TensorBatch>& batches) {
  double cells = 0, pads = 0;
  for (const TensorBatch& b : batches) {
    for (const at::Tensor& t : {b.source, b.target}) {
      cells += static_cast<double>(t.numel());
      pads += t.eq(model::kPadId).sum().item<double>();
    }
  }
  return pads / cells;
}

arch::Architecture network_shape(const TrainBenchmarkOptions& o) {
  arch::Architecture a;
  a.encoder_embed_dim = a.decoder_embed_dim = o.width;
  a.encoder.assign(static_cast<size_t>(o.layers), {o.ffn_dim, o.heads, o.width});
  a.decoder.assign(static_cast<size_t>(o.layers),
                   {o.ffn_dim, o.heads, o.width, o.heads, o.width, 1});
  return a;
}

// One product y[rows, out] = x[rows, in] w[out, in]^T with its two gradients, and how often it
// occurs in an update.
struct Product {
  int64_t in, out;
  int times;
};

std::vector<Product> products(const TrainBenchmarkOptions& o) {
  const int64_t d = o.width;
  return {{d, 3 * d, 2 * o.layers},             // stacked query, key, value of self-attention
          {d, d, 2 * o.layers + 2 * o.layers},  // outputs of all attentions; cross queries
          {d, 2 * d, o.layers},                 // cross keys and values
          {d, o.ffn_dim, 2 * o.layers},
          {o.ffn_dim, d, 2 * o.layers},
          {d, o.vocabulary, 1}};
}

class ProductBound {
 public:
  ProductBound(const TrainBenchmarkOptions& options, at::ScalarType type)
      : rows_(options.batch_tokens), products_(products(options)) {
    for (const Product& p : products_) {
      x_.push_back(at::randn({rows_, p.in}).to(type));
      w_.push_back(at::randn({p.out, p.in}).to(type));
      dy_.push_back(at::randn({rows_, p.out}).to(type));
    }
  }
  /// Milliseconds for the products of an update of `rows` tokens.
  double run_ms() {
    c10::NoGradGuard no_grad;
    double total = 0;
    for (size_t i = 0; i < products_.size(); ++i) {
      const double begin = wall_ms();
      at::mm(x_[i], w_[i].t());
      at::mm(dy_[i], w_[i]);
      at::mm(dy_[i].t(), x_[i]);
      total += (wall_ms() - begin) * products_[i].times;
    }
    return total;
  }
  double flops_per_token() const {
    double flops = 0;
    for (const Product& p : products_) flops += 6.0 * p.in * p.out * p.times;
    return flops;
  }
  int64_t rows() const { return rows_; }

 private:
  int64_t rows_;
  std::vector<Product> products_;
  std::vector<at::Tensor> x_, w_, dy_;
};

struct Series {
  std::vector<double> rate, forward, backward, optimizer;
};

}  // namespace

TrainBenchmark benchmark_training(const TrainBenchmarkOptions& options) {
  const BenchmarkCorpus corpus(kSentences, {options.vocabulary, options.vocabulary}, options.seed);
  std::vector<TensorBatch> ours = corpus.by_length(options.batch_tokens);
  std::vector<TensorBatch> plain = corpus.at_random(options.batch_tokens);
  Rng rng(options.seed, "order");
  rng.shuffle(ours);

  TrainBenchmark result;
  result.padding_share = padding(ours);
  result.plain_padding_share = padding(plain);
  const arch::Architecture shape = network_shape(options);
  model::NetworkSpec spec;
  spec.capacities = shape;
  spec.vocabulary = {options.vocabulary, options.vocabulary};
  const model::Compute compute = model::resolve_compute(options.precision);
  result.precision = model::compute_name(compute);
  BenchmarkTrainee trainee(spec, compute, options.seed);
  PlainLoop loop(options);
  ProductBound bound(options, compute == model::Compute::kBf16 ? at::kBFloat16 : at::kFloat);
  result.flops_per_token = bound.flops_per_token();

  // In turns, so that a busy moment of the machine meets all of them. The first turn warms up.
  Series series;
  std::vector<double> plain_rate, bound_rate;
  const double begin = wall_ms();
  for (int turn = 0; turn < kMostTurns; ++turn) {
    if (turn > kFewestTurns && wall_ms() - begin > options.seconds * 1000) break;
    const TensorBatch& our_batch = ours[turn % ours.size()];
    double start = wall_ms();
    const UpdateStats stats = trainee.update(turn, our_batch);
    const double our_ms = wall_ms() - start;
    const TensorBatch& plain_batch = plain[turn % plain.size()];
    start = wall_ms();
    loop.step(plain_batch);
    const double plain_ms = wall_ms() - start;
    const double bound_ms = bound.run_ms();
    if (turn == 0) continue;
    series.rate.push_back(1000.0 * our_batch.tokens / our_ms);
    series.forward.push_back(stats.forward_ms);
    series.backward.push_back(stats.backward_ms);
    series.optimizer.push_back(stats.optimizer_ms);
    plain_rate.push_back(1000.0 * plain_batch.tokens / plain_ms);
    bound_rate.push_back(1000.0 * static_cast<double>(bound.rows()) / bound_ms);
    ++result.turns;
  }
  result.tokens_per_second = median(series.rate);
  result.forward_ms = median(series.forward);
  result.backward_ms = median(series.backward);
  result.optimizer_ms = median(series.optimizer);
  result.plain_tokens_per_second = median(plain_rate);
  result.bound_tokens_per_second = median(bound_rate);
  return result;
}

config::OrderedJson TrainBenchmark::to_json() const {
  return {{"precision", precision},
          {"tokens_per_second", tokens_per_second},
          {"forward_ms", forward_ms},
          {"backward_ms", backward_ms},
          {"optimizer_ms", optimizer_ms},
          {"padding_share", padding_share},
          {"plain_tokens_per_second", plain_tokens_per_second},
          {"plain_padding_share", plain_padding_share},
          {"bound_tokens_per_second", bound_tokens_per_second},
          {"flops_per_token", flops_per_token},
          {"speedup_over_plain", tokens_per_second / plain_tokens_per_second},
          {"share_of_bound", tokens_per_second / bound_tokens_per_second},
          {"turns", turns}};
}

std::string TrainBenchmark::to_text() const {
  const auto rate = [](double value) { return with_commas(static_cast<uint64_t>(value)); };
  const double bound_gflops = bound_tokens_per_second * flops_per_token / 1e9;
  return str(
      "hat, ", precision, ":              ", rate(tokens_per_second), " target tokens/s, ",
      fixed(100 * padding_share, 1), " % padding\n", "  forward and loss inputs      ",
      fixed(forward_ms, 1), " ms\n", "  loss and backward            ", fixed(backward_ms, 1),
      " ms\n", "  optimiser                    ", fixed(optimizer_ms, 1), " ms\n",
      "plain LibTorch loop, fp32:     ", rate(plain_tokens_per_second), " target tokens/s, ",
      fixed(100 * plain_padding_share, 1), " % padding\n", "matrix products alone, ", precision,
      ":   ", rate(bound_tokens_per_second), " tokens/s (", fixed(bound_gflops, 0), " GFLOP/s)\n",
      "hat / plain loop:              ", fixed(tokens_per_second / plain_tokens_per_second, 2),
      "\n", "hat / matrix-product bound:    ",
      fixed(100 * tokens_per_second / bound_tokens_per_second, 0), " %\n");
}

}  // namespace hat::train
