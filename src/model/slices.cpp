#include "model/slices.h"

#include <ATen/ATen.h>

#include "hat/base/error.h"
#include "hat/model/rounding.h"
#include "model/parallel.h"
#include "model/product.h"

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

void Slices::set_rounding(WeightRounding rounding, int cut, int64_t at) {
  rounding_ = rounding;
  cut_parameter_ = cut;
  cut_at_ = at;
  copies_.assign(copies_.size(), Copy{});
  tables_.assign(copies_.size(), Copy{});
}

at::Tensor Slices::operand(const Slice& slice) {
  if (compute_ == Compute::kFp32 && rounding_ == WeightRounding::kNone) return value(slice);
  return copy(copies_, slice, low_type());
}

at::Tensor Slices::table(const Slice& slice) {
  if (rounding_ == WeightRounding::kNone) return value(slice);
  // Operands in fp32 are the same numbers.
  return copy(low_type() == at::kFloat ? copies_ : tables_, slice, at::kFloat);
}

at::Tensor Slices::copy(std::vector<Copy>& copies, const Slice& slice, at::ScalarType type) const {
  Copy& copy =
      copies[first_group_[static_cast<size_t>(slice.parameter)] + static_cast<size_t>(slice.group)];
  const bool current = copy.tensor.defined() && copy.version == store_.version() &&
                       copy.tensor.scalar_type() == type;
  if (!current || copy.tensor.size(0) < slice.rows || copy.tensor.size(1) < slice.cols) {
    Slice wanted = slice;
    if (current) {
      wanted.rows = std::max(slice.rows, copy.tensor.size(0));
      wanted.cols = std::max(slice.cols, copy.tensor.size(1));
    }
    const bool rounds = rounding_ != WeightRounding::kNone;
    copy.tensor = (rounds ? rounded(wanted) : value(wanted)).to(type).contiguous();
    copy.version = store_.version();
  }
  return copy.tensor.narrow(0, 0, slice.rows).narrow(1, 0, slice.cols);
}

at::Tensor Slices::rounded(const Slice& slice) const {
  const at::Tensor exact = value(slice).cpu();
  const at::Tensor out = at::empty({slice.rows, slice.cols}, exact.options());
  const float* from = exact.data_ptr<float>();
  float* to = out.data_ptr<float>();
  const int64_t stride = exact.stride(0);
  const bool cut = slice.parameter == cut_parameter_ && cut_at_ < slice.cols;
  const int64_t first = cut ? cut_at_ : slice.cols;
  for_rows(slice.rows, slice.cols, [&](kernels::Rows rows) {
    for (int64_t r = rows.begin; r < rows.end; ++r) {
      round_row(rounding_, from + r * stride, first, to + r * slice.cols);
      if (cut)
        round_row(rounding_, from + r * stride + first, slice.cols - first,
                  to + r * slice.cols + first);
    }
  });
  return out.to(store_.device());
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
  for_row_parts(dy, x, [&](const at::Tensor& some_dy, const at::Tensor& some_x) {
    const at::Tensor sum = at::mm(some_dy.t(), some_x);
    if (!gradient.is_cpu()) {
      gradient.add_(sum);
      return;
    }
    const auto* from = data<kernels::Bf16>(sum);
    float* to = gradient.data_ptr<float>();
    const int64_t stride = gradient.stride(0);
    const auto& table = kernels::table<kernels::Bf16>(kernels::best_isa());
    for_rows(slice.rows, slice.cols,
             [&](kernels::Rows rows) { table.accumulate(from, to, stride, rows); });
  });
}

}  // namespace hat::model
