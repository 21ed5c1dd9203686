#include "model/slices.h"

#include <ATen/ATen.h>

#include "hat/base/error.h"
#include "model/parallel.h"

namespace hat::model {

Slices::Slices(ParameterStore& store) : store_(store) {
  size_t groups = 0;
  for (const Parameter& p : store.all()) {
    first_group_.push_back(groups);
    groups += static_cast<size_t>(p.groups);
  }
  copies_.resize(groups);
  anchor_ = at::zeros({}, at::TensorOptions().device(store.device()));
  anchor_.requires_grad_(true);
}

at::ScalarType Slices::low_type() const {
  return compute_ == Compute::kBf16 ? at::kBFloat16 : at::kFloat;
}

at::Tensor Slices::view(const at::Tensor& flat, const Slice& slice) const {
  const Parameter& p = store_[slice.parameter];
  const int64_t height = p.rows / p.groups;
  HAT_DCHECK(slice.rows <= height && slice.cols <= p.cols);
  const int64_t offset = p.offset + slice.group * height * p.cols;
  if (p.is_vector) return flat.narrow(0, offset, slice.rows);
  return flat.as_strided({slice.rows, slice.cols}, {p.cols, 1}, offset);
}

at::Tensor Slices::value(const Slice& slice) const { return view(store_.values(), slice); }

at::Tensor Slices::operand(const Slice& slice) {
  if (compute_ == Compute::kFp32) return value(slice);
  Copy& copy = copies_[first_group_[static_cast<size_t>(slice.parameter)] +
                       static_cast<size_t>(slice.group)];
  const bool fits = copy.tensor.defined() && copy.version == store_.version() &&
                    copy.tensor.size(0) >= slice.rows && copy.tensor.size(1) >= slice.cols;
  if (!fits) {
    Slice wanted = slice;
    if (copy.tensor.defined() && copy.version == store_.version()) {
      wanted.rows = std::max(slice.rows, copy.tensor.size(0));
      wanted.cols = std::max(slice.cols, copy.tensor.size(1));
    }
    copy.tensor = value(wanted).to(at::kBFloat16).contiguous();
    copy.version = store_.version();
  }
  return copy.tensor.narrow(0, 0, slice.rows).narrow(1, 0, slice.cols);
}

at::Tensor Slices::gradient(const Slice& slice) {
  store_.touch_group(slice.parameter, slice.group, slice.rows, slice.cols);
  return view(store_.gradients(), slice);
}

void Slices::add_product(const Slice& slice, const at::Tensor& dy, const at::Tensor& x) {
  at::Tensor gradient = this->gradient(slice);
  if (dy.scalar_type() == at::kFloat) {
    gradient.addmm_(dy.t(), x);
    return;
  }
  const at::Tensor product = at::mm(dy.t(), x);
  if (!gradient.is_cpu()) {
    gradient.add_(product);
    return;
  }
  const auto* from = data<kernels::Bf16>(product);
  float* to = gradient.data_ptr<float>();
  const int64_t stride = gradient.stride(0);
  const auto& table = kernels::table<kernels::Bf16>(kernels::best_isa());
  for_rows(slice.rows, slice.cols,
           [&](kernels::Rows rows) { table.accumulate(from, to, stride, rows); });
}

}  // namespace hat::model
