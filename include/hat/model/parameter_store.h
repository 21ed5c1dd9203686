#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace hat::model {

/// One named weight. Vectors have cols = 1. `groups` row groups of equal height are sliced alike: 3
/// for a stacked query/key/value projection, else 1.
struct Parameter {
  std::string name;  ///< fairseq's
  int64_t rows = 0;
  int64_t cols = 1;
  bool is_vector = false;
  int groups = 1;
  int64_t offset = 0;  ///< first element in the flat buffers; a multiple of 16

  int64_t size() const { return rows * cols; }
  std::vector<int64_t> shape() const {
    return is_vector ? std::vector<int64_t>{rows} : std::vector<int64_t>{rows, cols};
  }
};

/// A rectangle of a parameter: rows [row, row + rows), columns [0, cols). In the flat buffers row r
/// of it starts at Parameter::offset + (row + r) * Parameter::cols.
struct Region {
  int parameter = 0;
  int64_t row = 0;
  int64_t rows = 0;
  int64_t cols = 0;
};

/// All weights of a network in one flat fp32 buffer and their gradients in another of the same
/// layout, so that optimisers, averaging, checkpoints and reductions work on flat memory. Gradients
/// are all zero except in touched regions: every backward pass adds to them and records what it
/// touched.
class ParameterStore {
 public:
  /// Offsets in `parameters` are assigned here. `aliases` maps a second name to the name of the
  /// parameter that it shares. Values and gradients start as zeros.
  ParameterStore(std::vector<Parameter> parameters, std::map<std::string, std::string> aliases,
                 c10::Device device);

  int size() const { return static_cast<int>(parameters_.size()); }
  const Parameter& operator[](int index) const { return parameters_[static_cast<size_t>(index)]; }
  const std::vector<Parameter>& all() const { return parameters_; }
  const std::map<std::string, std::string>& aliases() const { return aliases_; }
  /// Index of a name or alias; -1 when there is none.
  int find(std::string_view name) const;
  /// Number of weights (without the padding of the flat buffers).
  int64_t count() const;
  c10::Device device() const { return values_.device(); }

  /// Flat fp32 buffers, 64-byte aligned parameters with zeros between them. The gradient buffer is
  /// allocated when it is first asked for: a network that only infers has none.
  const at::Tensor& values() const { return values_; }
  const at::Tensor& gradients();
  bool has_gradients() const { return gradients_.defined(); }
  /// Views in the parameter's own shape.
  at::Tensor value(int index) const;
  at::Tensor gradient(int index);

  /// Whoever writes to values() calls this, so that cached low-precision copies are renewed.
  void values_changed() { ++version_; }
  uint64_t version() const { return version_; }

  /// Records that gradients of the leading `rows` x `cols` of every row group were added to.
  /// Touches of one group grow to the rectangle that bounds them.
  void touch(int index, int64_t rows, int64_t cols);
  /// The same for one row group only.
  void touch_group(int index, int group, int64_t rows, int64_t cols);
  bool is_touched(int index) const;
  /// What this update's backward passes touched, in order of memory.
  std::vector<Region> touched() const;
  /// Fills touched gradients with zero and forgets what was touched.
  void zero_gradients();
  /// Forgets what was touched; the caller has set those gradients to zero itself (an optimiser that
  /// clears each gradient after reading it).
  void forget_touched();

 private:
  struct Extent {
    int64_t rows = 0;
    int64_t cols = 0;
  };
  std::vector<Parameter> parameters_;
  std::map<std::string, std::string> aliases_;
  std::map<std::string, int, std::less<>> index_;
  std::vector<size_t> first_group_;  ///< parameter -> its first entry in extents_
  std::vector<Extent> extents_;      ///< one a row group
  at::Tensor values_;
  at::Tensor gradients_;
  uint64_t version_ = 0;
};

}  // namespace hat::model
