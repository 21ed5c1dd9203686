#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <span>
#include <vector>

namespace hat::model {

/// Sentences as an int64 [sentences, longest] tensor padded with kPadId, on the left (the
/// original's sources) or the right.
at::Tensor pad_tokens(const std::vector<std::span<const int32_t>>& sentences, bool left);
/// The decoder's input for right-padded targets: eos first, then the target without its last eos.
at::Tensor shift_right(const at::Tensor& target);

}  // namespace hat::model
