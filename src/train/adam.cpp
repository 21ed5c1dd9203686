#include "hat/train/adam.h"

#include <ATen/Parallel.h>

#include <algorithm>
#include <cmath>

#include "adam_kernels.h"
#include "hat/base/error.h"

namespace hat::train {
namespace {

// A piece of work for one thread: about this many values, whole rows.
constexpr int64_t kPieceValues = 1 << 15;

struct Piece {
  int64_t offset;
  int64_t rows;
  int64_t columns;
  int64_t stride;
  int tensor;
};

std::vector<Piece> cut(std::span<const Region> regions) {
  std::vector<Piece> pieces;
  for (const Region& r : regions) {
    if (r.columns == r.stride || r.rows == 1) {  // one run of values: cut anywhere
      const int64_t values = r.rows * r.columns;
      for (int64_t at = 0; at < values; at += kPieceValues) {
        const int64_t n = std::min(kPieceValues, values - at);
        pieces.push_back({r.offset + at, 1, n, n, r.tensor});
      }
      continue;
    }
    const int64_t rows = std::max<int64_t>(1, kPieceValues / std::max<int64_t>(1, r.columns));
    for (int64_t row = 0; row < r.rows; row += rows) {
      pieces.push_back(
          {r.offset + row * r.stride, std::min(rows, r.rows - row), r.columns, r.stride, r.tensor});
    }
  }
  return pieces;
}

void check_regions(std::span<const Region> regions, size_t size, size_t tensors) {
  for (const Region& r : regions) {
    HAT_DCHECK(r.tensor >= 0 && static_cast<size_t>(r.tensor) < tensors);
    HAT_DCHECK(r.offset >= 0 && r.rows >= 0 && r.columns >= 0 && r.stride >= r.columns);
    HAT_DCHECK(r.rows == 0 ||
               static_cast<size_t>(r.offset + (r.rows - 1) * r.stride + r.columns) <= size);
  }
}

}  // namespace

Adam::Adam(AdamOptions options, int64_t parameters, int tensors)
    : options_(options), first_(parameters, 0.0f), second_(parameters, 0.0f), steps_(tensors, 0) {}

void Adam::step(std::span<float> parameters, std::span<float> gradients,
                std::span<const Region> regions, double rate, double gradient_scale) {
  HAT_DCHECK(parameters.size() == first_.size() && gradients.size() == first_.size());
  check_regions(regions, first_.size(), steps_.size());

  std::vector<char> touched(steps_.size(), 0);
  for (const Region& region : regions) touched[region.tensor] = 1;
  std::vector<kernels::AdamStep> constants(steps_.size());
  for (size_t tensor = 0; tensor < steps_.size(); ++tensor) {
    if (!touched[tensor]) continue;
    const double t = static_cast<double>(++steps_[tensor]);
    const double correction1 = 1 - std::pow(options_.beta1, t);
    const double correction2 = 1 - std::pow(options_.beta2, t);
    constants[tensor] = {static_cast<float>(options_.beta1),
                         static_cast<float>(1 - options_.beta1),
                         static_cast<float>(options_.beta2),
                         static_cast<float>(1 - options_.beta2),
                         static_cast<float>(options_.epsilon),
                         static_cast<float>(rate * std::sqrt(correction2) / correction1),
                         static_cast<float>(1 - rate * options_.weight_decay),
                         static_cast<float>(gradient_scale)};
  }

  const std::vector<Piece> pieces = cut(regions);
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const Piece& piece = pieces[i];
      for (int64_t row = 0; row < piece.rows; ++row) {
        const int64_t at = piece.offset + row * piece.stride;
        kernels::adam(&parameters[at], &gradients[at], &first_[at], &second_[at], piece.columns,
                      constants[piece.tensor]);
      }
    }
  });
}

double gradient_norm(std::span<const float> gradients, std::span<const Region> regions) {
  const std::vector<Piece> pieces = cut(regions);
  std::vector<double> sums(pieces.size(), 0.0);
  at::parallel_for(0, static_cast<int64_t>(pieces.size()), 1, [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t row = 0; row < pieces[i].rows; ++row) {
        sums[i] += kernels::sum_of_squares(&gradients[pieces[i].offset + row * pieces[i].stride],
                                           pieces[i].columns);
      }
    }
  });
  double total = 0;
  for (double sum : sums) total += sum;
  return std::sqrt(total);
}

void move_towards(std::span<float> target, std::span<const float> source, double weight) {
  HAT_DCHECK(target.size() == source.size());
  at::parallel_for(0, static_cast<int64_t>(target.size()), kPieceValues,
                   [&](int64_t begin, int64_t end) {
                     kernels::move_towards(&target[begin], &source[begin], end - begin,
                                           static_cast<float>(weight));
                   });
}

}  // namespace hat::train
