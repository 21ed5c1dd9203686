#include "hat/train/validation.h"

#include <ATen/ATen.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>

#include "hat/base/error.h"

namespace hat::train {
namespace {

at::Tensor matrix(const std::vector<int64_t>& values, int64_t rows, int64_t columns) {
  HAT_DCHECK(static_cast<int64_t>(values.size()) == rows * columns);
  at::Tensor tensor = at::empty({rows, columns}, at::kLong);
  std::memcpy(tensor.data_ptr<int64_t>(), values.data(), values.size() * sizeof(int64_t));
  return tensor;
}

// Columns up to the last one with a token (padding is on the right).
at::Tensor trimmed(const at::Tensor& rows) {
  const at::Tensor used = rows.ne(model::kPadId).any(0);
  const bool* live = used.data_ptr<bool>();
  int64_t columns = used.size(0);
  while (columns > 1 && !live[columns - 1]) --columns;
  return rows.slice(1, 0, columns).contiguous();
}

}  // namespace

TensorBatch TensorBatch::slice(int64_t begin, int64_t end) const {
  TensorBatch part;
  part.source = trimmed(source.slice(0, begin, end));
  part.target = trimmed(target.slice(0, begin, end));
  part.prev_output = prev_output.slice(0, begin, end).slice(1, 0, part.target.size(1)).contiguous();
  part.tokens = part.target.ne(model::kPadId).sum().item<int64_t>();
  return part;
}

TensorBatch to_tensors(const data::Batch& batch) {
  return {matrix(batch.source, batch.rows, batch.source_length),
          matrix(batch.prev_output, batch.rows, batch.target_length),
          matrix(batch.target, batch.rows, batch.target_length), batch.target_tokens};
}

std::vector<uint32_t> validation_sentences(const data::TokenDataset& dataset, int64_t sentences) {
  HAT_CHECK(dataset.kind() == data::DatasetKind::kPairs, ErrorKind::kData,
            "the validation set holds labels, not sentence pairs",
            "Translation needs pairs; check task.kind and run hat prepare again.");
  HAT_CHECK(dataset.size() > 0, ErrorKind::kData, "the validation set is empty",
            "Name a file with sentences in task.valid and run hat prepare again.");
  const int64_t all = static_cast<int64_t>(dataset.size());
  const int64_t count = sentences == 0 ? all : std::min(sentences, all);
  std::vector<uint32_t> chosen(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) chosen[i] = static_cast<uint32_t>(i * all / count);
  return chosen;
}

ValidationSet::ValidationSet(const data::TokenDataset& dataset, int64_t sentences,
                             int batch_tokens) {
  std::vector<uint32_t> chosen = validation_sentences(dataset, sentences);
  sentences_ = static_cast<int64_t>(chosen.size());
  std::stable_sort(chosen.begin(), chosen.end(), [&](uint32_t a, uint32_t b) {
    return std::pair(dataset.source_length(a), dataset.target_length(a)) <
           std::pair(dataset.source_length(b), dataset.target_length(b));
  });

  size_t begin = 0;
  int longest = 0;
  auto flush = [&](size_t end) {
    if (end > begin) {
      batches_.push_back(to_tensors(data::make_batch(
          dataset, std::span<const uint32_t>(chosen).subspan(begin, end - begin))));
      tokens_ += batches_.back().tokens;
    }
    begin = end;
    longest = 0;
  };
  for (size_t i = 0; i < chosen.size(); ++i) {
    const int length = std::max(dataset.source_length(chosen[i]), dataset.target_length(chosen[i]));
    const int64_t rows = static_cast<int64_t>(i - begin) + 1;
    if (rows * std::max(longest, length) > batch_tokens) flush(i);
    longest = std::max(longest, length);
  }
  flush(chosen.size());
}

ValidationSet::ValidationSet(std::vector<TensorBatch> batches) : batches_(std::move(batches)) {
  for (const TensorBatch& batch : batches_) {
    sentences_ += batch.rows();
    tokens_ += batch.tokens;
  }
}

model::LossSums ValidationSet::evaluate(model::Transformer& network, double label_smoothing) const {
  c10::NoGradGuard no_grad;
  model::LossSums sums;
  const model::LossOptions options{.label_smoothing = label_smoothing};
  for (const TensorBatch& batch : batches_) {
    const model::EncoderOutput encoded = network.encode(batch.source);
    const at::Tensor hidden = network.decode(batch.prev_output, encoded);
    sums += model::compute_loss(network, hidden, batch.target, options);
  }
  return sums;
}

}  // namespace hat::train
