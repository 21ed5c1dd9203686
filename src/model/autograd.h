#pragma once

#include <ATen/core/Tensor.h>

#include <functional>
#include <vector>

namespace hat::model {

using Tensors = std::vector<at::Tensor>;
/// From the gradients of the outputs (undefined where nothing depends on one) to those of the
/// inputs.
using Backward = std::function<Tensors(const Tensors&)>;
/// Computes the outputs; when `backward` is not null it also stores there how to differentiate.
using Forward = std::function<Tensors(Backward* backward)>;

/// Runs `forward` without autograd and records its own backward when an input needs a gradient. The
/// backward may run once, and everything it captured is freed right after it.
/// It must not capture the outputs themselves (only detached), or the graph would never be freed.
Tensors record(const Tensors& inputs, const Forward& forward);

}  // namespace hat::model
