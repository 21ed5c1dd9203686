#include "hat/model/loss.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "hat/base/error.h"
#include "model/elementwise.h"
#include "model/network.h"
#include "model/product.h"

namespace hat::model {
namespace {

/// Logits of one chunk are at most this many elements: small enough for the caches of a CPU to
/// help, large enough for the products to run at full speed.
constexpr int64_t kChunkElements = int64_t{1} << 22;
constexpr int64_t kMinChunkRows = 64;

int64_t chunk_rows(int64_t vocabulary) {
  return std::max(kMinChunkRows, kChunkElements / std::max<int64_t>(1, vocabulary));
}

/// The rows that count: decoder states and targets where the target is no padding.
struct Rows {
  at::Tensor index;    ///< undefined: every row
  at::Tensor targets;  ///< on the device
  int64_t count = 0;

  at::Tensor select(const at::Tensor& states) const {
    const at::Tensor flat = states.reshape({-1, states.size(-1)});
    return index.defined() ? flat.index_select(0, index) : flat;
  }
};

Rows real_rows(const at::Tensor& target, c10::Device device, int64_t vocabulary) {
  HAT_DCHECK(target.scalar_type() == at::kLong && target.is_cpu());
  const at::Tensor flat = target.reshape({-1});
  const at::Tensor real = flat.ne(kPadId);
  Rows rows;
  rows.count = real.sum().item<int64_t>();
  rows.targets = flat;
  if (rows.count < flat.numel()) {
    const at::Tensor index = real.nonzero().view({-1});
    rows.targets = flat.index_select(0, index);
    rows.index = index.to(device);
  }
  if (rows.count > 0)
    HAT_DCHECK(rows.targets.min().item<int64_t>() >= 0 &&
               rows.targets.max().item<int64_t>() < vocabulary);
  rows.targets = rows.targets.contiguous().to(device);
  return rows;
}

CrossEntropyOptions kernel_options(const LossOptions& options, bool gradient) {
  CrossEntropyOptions out;
  out.smoothing = options.label_smoothing;
  out.gradient_scale = options.gradient_scale;
  out.gradient = gradient;
  if (options.teacher) {
    HAT_DCHECK(options.teacher->weight >= 0 && options.teacher->weight <= 1 &&
               options.teacher->temperature > 0);
    out.teacher_weight = options.teacher->weight;
    out.temperature = options.teacher->temperature;
  }
  return out;
}

/// The teacher's part, prepared for chunks: states of the same rows and its output table.
struct TeacherChunks {
  at::Tensor states;
  at::Tensor table;

  at::Tensor logits(int64_t begin, int64_t rows, at::ScalarType type) const {
    if (!states.defined()) return {};
    return product(states.narrow(0, begin, rows), table.t()).to(type);
  }
};

TeacherChunks prepare(const Teacher* teacher, const Rows& rows, int64_t vocabulary) {
  TeacherChunks out;
  if (teacher == nullptr) return out;
  auto& net = TransformerAccess::impl(*teacher->network);
  HAT_DCHECK(net.spec.vocabulary.target == vocabulary);
  Slice table = net.cuts.output_table;
  table.cols = teacher->hidden.size(-1);
  out.states = rows.select(teacher->hidden.detach()).to(net.slices.low_type());
  out.table = net.slices.operand(table);
  return out;
}

LossSums run(Transformer& network, const at::Tensor& hidden, const at::Tensor& target,
             const LossOptions& options, at::Tensor* hidden_gradient) {
  const at::NoGradGuard no_grad;
  auto& net = TransformerAccess::impl(network);
  const int64_t vocabulary = net.spec.vocabulary.target;
  HAT_DCHECK(hidden.dim() == 3 && hidden.size(2) == net.active.decoder_embed_dim &&
             hidden.size(0) == target.size(0) && hidden.size(1) == target.size(1));
  const Rows rows = real_rows(target, hidden.device(), vocabulary);
  const bool backward = hidden_gradient != nullptr;
  const CrossEntropyOptions kernel = kernel_options(options, backward);
  const at::ScalarType low = net.slices.low_type();
  const at::Tensor states = rows.select(hidden.detach()).to(low).contiguous();
  const at::Tensor table = net.slices.operand(net.cuts.output_table);
  const TeacherChunks teacher = prepare(options.teacher, rows, vocabulary);
  const at::Tensor dstates = backward ? at::empty_like(states) : at::Tensor();

  LossSums sums;
  sums.tokens = rows.count;
  const int64_t step = chunk_rows(vocabulary);
  for (int64_t begin = 0; begin < rows.count; begin += step) {
    const int64_t n = std::min(step, rows.count - begin);
    const at::Tensor chunk = with_room(states.narrow(0, begin, n));
    const at::Tensor logits = product(chunk, table.t());
    const auto [loss, nll] = cross_entropy_(logits, rows.targets.narrow(0, begin, n),
                                            teacher.logits(begin, n, low), kernel);
    sums.loss += loss;
    sums.nll += nll;
    if (!backward) continue;
    dstates.narrow(0, begin, n).copy_(product(logits, table));
    // Both are this function's own: with zeros behind their rows, the gradient of the table, the
    // largest of all, is one product instead of two.
    net.slices.add_product(net.cuts.output_table, widen_with_zeros(logits),
                           widen_with_zeros(chunk));
  }
  if (backward) {
    const at::Tensor full = dstates.to(at::kFloat);
    at::Tensor flat = full;
    if (rows.index.defined()) {
      flat = at::zeros({target.numel(), hidden.size(2)}, full.options());
      flat.index_copy_(0, rows.index, full);
    }
    *hidden_gradient = flat.view(hidden.sizes());
  }
  return sums;
}

}  // namespace

LossSums compute_loss(Transformer& network, const at::Tensor& hidden, const at::Tensor& target,
                      const LossOptions& options) {
  return run(network, hidden, target, options, nullptr);
}

LossSums backward_loss_to_hidden(Transformer& network, const at::Tensor& hidden,
                                 const at::Tensor& target, const LossOptions& options,
                                 at::Tensor* hidden_gradient) {
  return run(network, hidden, target, options, hidden_gradient);
}

LossSums backward_loss(Transformer& network, const at::Tensor& hidden, const at::Tensor& target,
                       const LossOptions& options) {
  at::Tensor gradient;
  const LossSums sums = run(network, hidden, target, options, &gradient);
  hidden.backward(gradient);
  return sums;
}

}  // namespace hat::model
