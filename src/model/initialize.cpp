#include <ATen/ATen.h>

#include <cmath>

#include "hat/base/rng.h"
#include "model/network.h"

namespace hat::model {
namespace {

bool ends_with(const std::string& text, const std::string& end) {
  return text.size() >= end.size() && text.compare(text.size() - end.size(), end.size(), end) == 0;
}

bool is_table(const std::string& name) {
  return ends_with(name, "embed_tokens.weight") || ends_with(name, "embed_out");
}

void fill_normal(float* out, int64_t n, double deviation, Rng& rng) {
  for (int64_t i = 0; i < n; ++i) out[i] = static_cast<float>(rng.normal() * deviation);
}

/// Glorot and Bengio 2010: uniform in +-sqrt(6 / (in + out)).
void fill_xavier(float* out, int64_t rows, int64_t cols, Rng& rng) {
  const double bound = std::sqrt(6.0 / static_cast<double>(rows + cols));
  for (int64_t i = 0; i < rows * cols; ++i)
    out[i] = static_cast<float>((2 * rng.uniform() - 1) * bound);
}

}  // namespace

void Transformer::initialize(uint64_t seed) {
  ParameterStore& store = impl_->store;
  const at::NoGradGuard no_grad;
  const at::Tensor values = at::zeros(store.values().sizes(), at::kFloat);
  for (const Parameter& p : store.all()) {
    float* out = values.data_ptr<float>() + p.offset;
    // A stream for each name: the weights of one layer do not depend on how many others there are.
    Rng rng(seed, p.name);
    if (is_table(p.name)) {
      fill_normal(out, p.size(), 1.0 / std::sqrt(static_cast<double>(p.cols)), rng);
      if (!ends_with(p.name, "embed_out")) std::fill_n(out + kPadId * p.cols, p.cols, 0.0f);
    } else if (!p.is_vector) {
      fill_xavier(out, p.rows, p.cols, rng);
    } else if (ends_with(p.name, "layer_norm.weight")) {
      std::fill_n(out, p.rows, 1.0f);
    }
  }
  store.values().copy_(values);
  store.values_changed();
}

}  // namespace hat::model
