#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace hat::train {

struct AdamOptions {
  double beta1 = 0.9;
  double beta2 = 0.98;
  double epsilon = 1e-8;
  double weight_decay = 0;  ///< decoupled: p -= rate * weight_decay * p before the step
};

/// A leading block of one tensor inside the flat buffers: `rows` runs of `columns` values, `stride`
/// values apart. What one update has touched is a list of these, without overlap.
struct Region {
  int tensor = 0;  ///< index for the step counts
  int64_t offset = 0;
  int64_t rows = 0;
  int64_t columns = 0;
  int64_t stride = 0;
};

/// Adam over flat float buffers, with fairseq's formula (the bias correction is in the step size,
/// not in the denominator):
///   m = b1 m + (1 - b1) g;  v = b2 v + (1 - b2) g^2
///   p -= rate * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps)
/// t counts the updates of the tensor: a tensor of a layer that was skipped does not age. A region
/// of a tensor that is touched more rarely than the tensor uses the tensor's count; the bias
/// correction then errs by at most a factor of 1.5 during the region's first 30 updates.
///
/// What of a touched tensor moves is the caller's choice: only the slice that has gradients (hat's
/// rule), or the whole tensor (the original's rule on one device: momentum keeps moving what is not
/// used, hat-spec section 3).
class Adam {
 public:
  Adam(AdamOptions options, int64_t parameters, int tensors);

  /// One update of `regions`; `gradients` are multiplied by `gradient_scale` (1 / tokens and
  /// clipping), and set to zero on the way. Each tensor named counts one step.
  void step(std::span<float> parameters, std::span<float> gradients,
            std::span<const Region> regions, double rate, double gradient_scale);

  const AdamOptions& options() const { return options_; }
  /// State, for checkpoints.
  std::vector<float>& first_moments() { return first_; }
  std::vector<float>& second_moments() { return second_; }
  std::vector<int64_t>& steps() { return steps_; }
  const std::vector<int64_t>& steps() const { return steps_; }

 private:
  AdamOptions options_;
  std::vector<float> first_;
  std::vector<float> second_;
  std::vector<int64_t> steps_;
};

/// Square root of the sum of squares over the regions. Summed in double over pieces of fixed size,
/// so the result does not depend on the number of threads.
double gradient_norm(std::span<const float> gradients, std::span<const Region> regions);

/// target += weight * (source - target), for running averages of the weights.
void move_towards(std::span<float> target, std::span<const float> source, double weight);

}  // namespace hat::train
