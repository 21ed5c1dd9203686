#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>

// Matrix products whose number of rows is the tokens of a batch, which no two batches have in
// common. oneDNN, which computes them in bf16 on CPUs, compiles a program for every shape and keeps
// it: with rows as they come, a tenth of the time and gigabytes go to programs that are hardly used
// again. So rows are rounded up to one of sixteen numbers an octave (2 % more
// work), in memory that has room for the added ones. fp32 products and other devices take rows as
// they come.
namespace hat::model {

/// How many rows a bf16 product of `rows` rows is computed with.
int64_t rounded_rows(int64_t rows);

/// [rows, cols], not initialised; in bf16 on the CPU with memory for rounded_rows(rows).
at::Tensor empty_rows(int64_t rows, int64_t cols, const at::TensorOptions& options);

/// In bf16 on the CPU always a copy of x [rows, cols], with room as above, in which the added rows
/// are zero; x itself otherwise.
at::Tensor with_room(const at::Tensor& x);

/// x [rows, k] times w [k, n], with room. What lies behind x's rows does not matter.
at::Tensor product(const at::Tensor& x, const at::Tensor& w);
/// y [rows, n], which product() returned, += x times w.
void add_product(const at::Tensor& y, const at::Tensor& x, const at::Tensor& w);

/// Calls add(part of a, part of b) so that the sum of a^T b over the parts is that of the whole; a
/// and b have the same number of rows.
void for_row_parts(const at::Tensor& a, const at::Tensor& b,
                   const std::function<void(const at::Tensor&, const at::Tensor&)>& add);

/// x with all rows that it has room for; the added ones become zero. For the owner of x's memory
/// only: nothing else may lie behind its rows.
at::Tensor widen_with_zeros(const at::Tensor& x);

}  // namespace hat::model
