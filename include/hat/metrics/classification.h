#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hat::metrics {

/// Counts of (true class, predicted class) and what follows from them.
class ConfusionMatrix {
 public:
  /// `labels` and `predictions` in [0, classes), equally many, at least one (kInternal otherwise).
  ConfusionMatrix(std::span<const int> labels, std::span<const int> predictions, int classes);

  int classes() const { return classes_; }
  int64_t count(int label, int prediction) const {
    return counts_[static_cast<size_t>(label * classes_ + prediction)];
  }
  /// Share of correct predictions, 0 to 1.
  double accuracy() const;
  /// 0 where the class is never predicted, or never true.
  double precision(int label) const;
  double recall(int label) const;
  double f1(int label) const;
  /// Mean of the classes' F1, over the classes that occur as label or prediction.
  double macro_f1() const;

 private:
  int classes_;
  std::vector<int64_t> counts_;
};

}  // namespace hat::metrics
