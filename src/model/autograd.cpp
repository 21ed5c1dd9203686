#include "model/autograd.h"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <utility>

#include "hat/base/error.h"

namespace hat::model {
namespace {

struct Holder : torch::CustomClassHolder {
  Backward backward;
};

/// One node of the graph for every elastic operation: what differs between them is in the closure.
struct Recorded : torch::autograd::Function<Recorded> {
  static torch::autograd::variable_list forward(torch::autograd::AutogradContext* context,
                                                at::TensorList /*inputs*/, const Forward& compute) {
    auto holder = c10::make_intrusive<Holder>();
    Tensors outputs = compute(&holder->backward);
    context->saved_data["holder"] = c10::IValue::make_capsule(holder);
    context->set_materialize_grads(false);
    return outputs;
  }
  static torch::autograd::variable_list backward(torch::autograd::AutogradContext* context,
                                                 const torch::autograd::variable_list& gradients) {
    const auto capsule = context->saved_data["holder"].toCapsule();
    const auto holder = c10::static_intrusive_pointer_cast<Holder>(capsule);
    const Backward backward = std::exchange(holder->backward, nullptr);
    HAT_DCHECK(backward);  // a second backward pass over one graph
    Tensors result = backward(gradients);
    result.emplace_back();  // for `compute`, which is no tensor
    return result;
  }
};

}  // namespace

Tensors record(const Tensors& inputs, const Forward& forward) {
  bool needed = false;
  if (at::GradMode::is_enabled())
    for (const at::Tensor& input : inputs) needed |= input.defined() && input.requires_grad();
  if (!needed) {
    const at::NoGradGuard no_grad;
    return forward(nullptr);
  }
  return Recorded::apply(at::TensorList(inputs), forward);
}

}  // namespace hat::model
