#include "hat/metrics/classification.h"

#include "hat/base/error.h"

namespace hat::metrics {

ConfusionMatrix::ConfusionMatrix(std::span<const int> labels, std::span<const int> predictions,
                                 int classes)
    : classes_(classes) {
  HAT_DCHECK(classes > 0 && labels.size() == predictions.size() && !labels.empty());
  counts_.assign(static_cast<size_t>(classes) * static_cast<size_t>(classes), 0);
  for (size_t i = 0; i < labels.size(); ++i) {
    HAT_DCHECK(labels[i] >= 0 && labels[i] < classes);
    HAT_DCHECK(predictions[i] >= 0 && predictions[i] < classes);
    ++counts_[static_cast<size_t>(labels[i] * classes + predictions[i])];
  }
}

double ConfusionMatrix::accuracy() const {
  int64_t correct = 0;
  int64_t all = 0;
  for (int i = 0; i < classes_; ++i) {
    correct += count(i, i);
    for (int j = 0; j < classes_; ++j) all += count(i, j);
  }
  return static_cast<double>(correct) / static_cast<double>(all);
}

double ConfusionMatrix::precision(int label) const {
  int64_t predicted = 0;
  for (int i = 0; i < classes_; ++i) predicted += count(i, label);
  return predicted == 0 ? 0.0
                        : static_cast<double>(count(label, label)) / static_cast<double>(predicted);
}

double ConfusionMatrix::recall(int label) const {
  int64_t present = 0;
  for (int i = 0; i < classes_; ++i) present += count(label, i);
  return present == 0 ? 0.0
                      : static_cast<double>(count(label, label)) / static_cast<double>(present);
}

double ConfusionMatrix::f1(int label) const {
  const double p = precision(label);
  const double r = recall(label);
  return p + r == 0 ? 0.0 : 2 * p * r / (p + r);
}

double ConfusionMatrix::macro_f1() const {
  double sum = 0;
  int occurring = 0;
  for (int label = 0; label < classes_; ++label) {
    int64_t seen = 0;
    for (int i = 0; i < classes_; ++i) seen += count(label, i) + count(i, label);
    if (seen == 0) continue;
    sum += f1(label);
    ++occurring;
  }
  return sum / occurring;
}

}  // namespace hat::metrics
