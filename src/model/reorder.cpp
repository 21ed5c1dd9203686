#include "hat/model/reorder.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "hat/base/error.h"
#include "model/network.h"

namespace hat::model {

/// The heads of one attention, or the channels of one FFN.
struct Reordering::Unit {
  int64_t width = 1;           ///< channels that stay together: those of a head
  std::vector<Slice> rows;     ///< weights and biases that compute them
  Slice columns;               ///< the weight that reads them
  std::vector<double> scores;  ///< importance, one a head or channel

  std::vector<int64_t> order() const {
    std::vector<int64_t> order(scores.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return scores[static_cast<size_t>(a)] > scores[static_cast<size_t>(b)];
    });
    return order;
  }
};

namespace {

/// Runs of `length` values, `stride` apart, take the order; run i becomes the former run order[i].
void permute(float* first, int64_t stride, int64_t length, const std::vector<int64_t>& order) {
  std::vector<float> old(order.size() * static_cast<size_t>(length));
  for (size_t i = 0; i < order.size(); ++i)
    std::copy_n(first + static_cast<int64_t>(i) * stride, length,
                old.data() + i * static_cast<size_t>(length));
  for (size_t i = 0; i < order.size(); ++i)
    std::copy_n(old.data() + order[i] * length, length, first + static_cast<int64_t>(i) * stride);
}

}  // namespace

Reordering::Reordering(Transformer& network) : network_(network) {
  const auto& net = TransformerAccess::impl(network);
  const auto add = [&](int64_t count, std::vector<Slice> rows, const Slice& columns) {
    Unit unit;
    unit.width = columns.cols / count;
    unit.rows = std::move(rows);
    unit.columns = columns;
    unit.scores.assign(static_cast<size_t>(count), 0.0);
    units_.push_back(std::move(unit));
  };
  const auto add_attention = [&](const AttentionSlices& a) {
    add(a.heads, {a.q.weight, a.q.bias, a.k.weight, a.k.bias, a.v.weight, a.v.bias}, a.out.weight);
  };
  const auto add_layer = [&](const LayerSlices& layer, bool cross) {
    // The original's spaces choose the number of heads at a fixed width, so that a smaller network
    // has wider heads, not fewer: an order of heads means nothing there.
    if (!net.spec.options.compat) {
      add_attention(layer.self);
      if (cross) add_attention(layer.cross);
    }
    add(layer.fc1.weight.rows, {layer.fc1.weight, layer.fc1.bias}, layer.fc2.weight);
  };
  for (const LayerSlices& layer : net.cuts.encoder) add_layer(layer, false);
  for (const LayerSlices& layer : net.cuts.decoder) add_layer(layer, true);
}

Reordering::~Reordering() = default;

void Reordering::observe() {
  const at::NoGradGuard no_grad;
  auto& slices = TransformerAccess::impl(network_).slices;
  for (Unit& unit : units_) {
    // w dL/dw summed over the weights that read a channel is h dL/dh summed over the batch.
    const at::Tensor products = slices.value(unit.columns) * slices.gradient(unit.columns);
    const at::Tensor scores =
        products.sum(0, false, at::kDouble).view({-1, unit.width}).sum(1).abs().cpu();
    const double* values = scores.data_ptr<double>();
    for (size_t i = 0; i < unit.scores.size(); ++i) unit.scores[i] += values[i];
  }
}

void Reordering::apply(std::span<float> buffer) const {
  const ParameterStore& store = network_.parameters();
  HAT_DCHECK(static_cast<int64_t>(buffer.size()) == store.values().numel());
  for (const Unit& unit : units_) {
    const std::vector<int64_t> order = unit.order();
    for (const Slice& slice : unit.rows) {
      const Parameter& p = store[slice.parameter];
      const int64_t begin = p.offset + slice.group * (p.rows / p.groups) * p.cols;
      permute(&buffer[static_cast<size_t>(begin)], unit.width * p.cols, unit.width * p.cols, order);
    }
    const Parameter& p = store[unit.columns.parameter];
    for (int64_t row = 0; row < p.rows; ++row)
      permute(&buffer[static_cast<size_t>(p.offset + row * p.cols)], unit.width, unit.width, order);
  }
}

}  // namespace hat::model
