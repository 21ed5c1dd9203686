#include "model/product.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <bit>

namespace hat::model {
namespace {

bool rounds(const at::TensorOptions& options) {
  return options.device().is_cpu() && options.dtype() == at::kBFloat16;
}
bool rounds(const at::Tensor& x) { return rounds(x.options()); }

/// Rows come in multiples of this.
int64_t granule(int64_t rows) {
  const auto octave = static_cast<int64_t>(std::bit_ceil(static_cast<uint64_t>(rows)));
  return std::max<int64_t>(16, octave / 32);
}

bool has_room(const at::Tensor& x) {
  if (!x.is_contiguous()) return false;
  const auto elements = static_cast<int64_t>(x.storage().nbytes() / x.itemsize());
  return x.storage_offset() + rounded_rows(x.size(0)) * x.size(1) <= elements;
}

/// A view of x's memory; x must have room.
at::Tensor widened(const at::Tensor& x) {
  return x.as_strided({rounded_rows(x.size(0)), x.size(1)}, {x.size(1), 1});
}

/// x's rows and as many others as make a rounded number.
at::Tensor readable(const at::Tensor& x) { return widened(has_room(x) ? x : with_room(x)); }

}  // namespace

int64_t rounded_rows(int64_t rows) {
  const int64_t step = granule(rows);
  return (rows + step - 1) / step * step;
}

at::Tensor empty_rows(int64_t rows, int64_t cols, const at::TensorOptions& options) {
  const at::TensorOptions plain = options.requires_grad(false);
  if (!rounds(plain)) return at::empty({rows, cols}, plain);
  // Not a view of the larger tensor, which autograd would have to follow.
  return at::empty({rounded_rows(rows), cols}, plain).resize_({rows, cols});
}

at::Tensor with_room(const at::Tensor& x) {
  if (!rounds(x)) return x;
  const at::Tensor out = empty_rows(x.size(0), x.size(1), x.options());
  out.copy_(x);
  widen_with_zeros(out);
  return out;
}

at::Tensor product(const at::Tensor& x, const at::Tensor& w) {
  if (!rounds(x)) return at::mm(x, w);
  const at::Tensor y = empty_rows(x.size(0), w.size(1), x.options());
  at::Tensor all = widened(y);
  at::mm_out(all, readable(x), w);
  return y;
}

void add_product(const at::Tensor& y, const at::Tensor& x, const at::Tensor& w) {
  if (!rounds(x)) {
    y.addmm_(x, w);
    return;
  }
  widened(y).addmm_(readable(x), w);
}

void for_row_parts(const at::Tensor& a, const at::Tensor& b,
                   const std::function<void(const at::Tensor&, const at::Tensor&)>& add) {
  const int64_t rows = a.size(0);
  const int64_t whole = rounds(a) ? rows / granule(rows) * granule(rows) : rows;
  if (whole > 0) add(a.narrow(0, 0, whole), b.narrow(0, 0, whole));
  if (whole == rows) return;
  // The rest, as many rows as always: zeros add nothing.
  const auto rest = [&](const at::Tensor& x) {
    const at::Tensor out = at::zeros({granule(rows), x.size(1)}, x.options());
    out.narrow(0, 0, rows - whole).copy_(x.narrow(0, whole, rows - whole));
    return out;
  };
  add(rest(a), rest(b));
}

at::Tensor widen_with_zeros(const at::Tensor& x) {
  if (!rounds(x)) return x;
  const at::Tensor all = widened(x);
  all.narrow(0, x.size(0), all.size(0) - x.size(0)).zero_();
  return all;
}

}  // namespace hat::model
