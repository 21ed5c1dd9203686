#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "hat/config/json.h"
#include "hat/model/transformer.h"
#include "hat/tensor/safetensors.h"
#include "testing/shared_data.h"

// The golden cases of the original (README of the parity folder): reading them, and comparing.
namespace hat::model::testing {

/// One folder: the SuperTransformer and its cases.
class ParitySet {
 public:
  /// Null when the folder lacks the set.
  static std::unique_ptr<ParitySet> open(const std::string& name);
  static bool any_present();

  const config::Json& manifest() const { return manifest_; }
  const std::string& name() const { return name_; }
  const std::vector<config::Json>& cases() const { return cases_; }
  NetworkSpec spec() const;
  std::unique_ptr<Transformer> load() const;
  arch::Architecture architecture(const config::Json& test_case) const;
  tensor::SafetensorsFile file(const std::string& file_name) const;

 private:
  std::string name_;
  fs::path folder_;
  config::Json manifest_;
  std::vector<config::Json> cases_;
};

/// A tensor of a file, float or int64.
at::Tensor read_tensor(const tensor::SafetensorsFile& file, const std::string& name);
/// Largest absolute difference.
double max_difference(const at::Tensor& a, const at::Tensor& b);
double max_absolute(const at::Tensor& a);

}  // namespace hat::model::testing
