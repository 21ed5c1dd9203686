#include "hat/model/parameter_store.h"

#include <ATen/ATen.h>

#include <algorithm>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::model {
namespace {

// 64 bytes of floats: parameters start at cache lines and full vectors.
constexpr int64_t kAlignment = 16;

int64_t aligned(int64_t n) { return (n + kAlignment - 1) / kAlignment * kAlignment; }

at::Tensor view(const at::Tensor& flat, const Parameter& p) {
  return flat.narrow(0, p.offset, p.size()).view(p.shape());
}

}  // namespace

ParameterStore::ParameterStore(std::vector<Parameter> parameters,
                               std::map<std::string, std::string> aliases, c10::Device device)
    : parameters_(std::move(parameters)), aliases_(std::move(aliases)) {
  int64_t offset = 0;
  size_t groups = 0;
  for (int i = 0; i < size(); ++i) {
    Parameter& p = parameters_[static_cast<size_t>(i)];
    HAT_DCHECK(p.rows > 0 && p.cols > 0 && p.groups > 0 && p.rows % p.groups == 0);
    p.offset = offset;
    offset += aligned(p.size());
    HAT_DCHECK(index_.emplace(p.name, i).second);
    first_group_.push_back(groups);
    groups += static_cast<size_t>(p.groups);
  }
  for (const auto& [alias, name] : aliases_) {
    const int target = find(name);
    HAT_DCHECK(target >= 0 && index_.emplace(alias, target).second);
  }
  extents_.resize(groups);
  values_ = at::zeros({offset}, at::TensorOptions().dtype(at::kFloat).device(device));
}

int ParameterStore::find(std::string_view name) const {
  const auto found = index_.find(name);
  return found == index_.end() ? -1 : found->second;
}

int64_t ParameterStore::count() const {
  int64_t total = 0;
  for (const Parameter& p : parameters_) total += p.size();
  return total;
}

const at::Tensor& ParameterStore::gradients() {
  if (!gradients_.defined()) gradients_ = at::zeros_like(values_);
  return gradients_;
}

at::Tensor ParameterStore::value(int index) const { return view(values_, (*this)[index]); }
at::Tensor ParameterStore::gradient(int index) { return view(gradients(), (*this)[index]); }

void ParameterStore::touch(int index, int64_t rows, int64_t cols) {
  for (int group = 0; group < (*this)[index].groups; ++group) touch_group(index, group, rows, cols);
}

void ParameterStore::touch_group(int index, int group, int64_t rows, int64_t cols) {
  Extent& extent = extents_[first_group_[static_cast<size_t>(index)] + static_cast<size_t>(group)];
  extent.rows = std::max(extent.rows, rows);
  extent.cols = std::max(extent.cols, cols);
}

bool ParameterStore::is_touched(int index) const {
  const size_t first = first_group_[static_cast<size_t>(index)];
  for (int group = 0; group < (*this)[index].groups; ++group)
    if (extents_[first + static_cast<size_t>(group)].rows > 0) return true;
  return false;
}

std::vector<Region> ParameterStore::touched() const {
  std::vector<Region> regions;
  for (int i = 0; i < size(); ++i) {
    const Parameter& p = (*this)[i];
    const int64_t height = p.rows / p.groups;
    for (int group = 0; group < p.groups; ++group) {
      const Extent& extent =
          extents_[first_group_[static_cast<size_t>(i)] + static_cast<size_t>(group)];
      if (extent.rows > 0) regions.push_back({i, group * height, extent.rows, extent.cols});
    }
  }
  return regions;
}

void ParameterStore::zero_gradients() {
  for (const Region& region : touched()) {
    const Parameter& p = (*this)[region.parameter];
    gradients_.narrow(0, p.offset, p.size())
        .view({p.rows, p.cols})
        .narrow(0, region.row, region.rows)
        .narrow(1, 0, region.cols)
        .zero_();
  }
  forget_touched();
}

void ParameterStore::forget_touched() { std::fill(extents_.begin(), extents_.end(), Extent{}); }

}  // namespace hat::model
