// The LibTorch headers that the torch modules share, compiled once: tensors, operators, autograd
// functions. torch/torch.h would take three times as long for parts that are not used here.
#pragma once
#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <map>
#include <memory>
#include <string>
#include <vector>
