#include "hat/model/batch.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "hat/base/error.h"
#include "hat/model/transformer.h"

namespace hat::model {

at::Tensor pad_tokens(const std::vector<std::span<const int32_t>>& sentences, bool left) {
  size_t longest = 0;
  for (const auto& sentence : sentences) {
    HAT_DCHECK(!sentence.empty());
    longest = std::max(longest, sentence.size());
  }
  const at::Tensor out = at::full(
      {static_cast<int64_t>(sentences.size()), static_cast<int64_t>(longest)}, kPadId, at::kLong);
  auto* row = out.data_ptr<int64_t>();
  for (const auto& sentence : sentences) {
    std::copy(sentence.begin(), sentence.end(), left ? row + (longest - sentence.size()) : row);
    row += longest;
  }
  return out;
}

at::Tensor shift_right(const at::Tensor& target) {
  const int64_t length = target.size(1);
  const at::Tensor out = at::full_like(target, kEosId);
  out.narrow(1, 1, length - 1).copy_(target.narrow(1, 0, length - 1));
  // The last eos of a shorter sentence falls on the place before its padding.
  out.masked_fill_(target.eq(kPadId), kPadId);
  return out;
}

}  // namespace hat::model
