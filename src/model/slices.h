#pragma once

#include <ATen/core/Tensor.h>

#include <vector>

#include "hat/model/compute.h"
#include "hat/model/parameter_store.h"

namespace hat::model {

/// A leading slice of one row group of a weight.
struct Slice {
  int parameter = -1;
  int group = 0;
  int64_t rows = 0;
  int64_t cols = 1;  ///< 1 for vectors
};

/// Gives the operations views of slices and of their gradients, without copying fp32 weights. bf16
/// copies are made when a slice is first used after a change of the weights.
class Slices {
 public:
  explicit Slices(ParameterStore& store);

  ParameterStore& store() { return store_; }
  Compute compute() const { return compute_; }
  void set_compute(Compute compute) { compute_ = compute; }
  /// Rows of parameter `cut` are rounded in two pieces, columns [0, at) and the rest; -1: none is.
  void set_rounding(WeightRounding rounding, int cut, int64_t at);
  /// The type of operands of matrix products.
  at::ScalarType low_type() const;

  /// fp32 view, strided for matrices.
  at::Tensor value(const Slice& slice) const;
  /// The same as an operand of a product: value(), or its rounded or bf16 copy.
  at::Tensor operand(const Slice& slice);
  /// fp32 rows to look words up in: value(), or its rounded copy.
  at::Tensor table(const Slice& slice);
  /// View of the gradient; records the touch.
  at::Tensor gradient(const Slice& slice);
  /// gradient += x^T-style product result `dy`^T `x` ([tokens, rows], [tokens, cols]).
  void add_product(const Slice& slice, const at::Tensor& dy, const at::Tensor& x);

  /// A leaf that every operation with weights takes as input, so that its backward runs although
  /// the weights themselves are unknown to autograd.
  const at::Tensor& anchor() const { return anchor_; }

 private:
  struct Copy {
    at::Tensor tensor;
    uint64_t version = 0;
  };
  at::Tensor view(const at::Tensor& flat, const Slice& slice) const;
  at::Tensor copy(std::vector<Copy>& copies, const Slice& slice, at::ScalarType type) const;
  at::Tensor rounded(const Slice& slice) const;

  ParameterStore& store_;
  Compute compute_ = Compute::kFp32;
  at::Tensor anchor_;
  std::vector<size_t> first_group_;
  std::vector<Copy> copies_;  ///< operands that are not the weights themselves
  std::vector<Copy> tables_;  ///< rounded word tables in fp32
  WeightRounding rounding_ = WeightRounding::kNone;
  int cut_parameter_ = -1;
  int64_t cut_at_ = 0;
};

}  // namespace hat::model
