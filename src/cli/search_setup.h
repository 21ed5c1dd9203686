#pragma once

#include <memory>
#include <string>
#include <vector>

#include "command.h"
#include "hat/arch/cost.h"
#include "hat/latency/device.h"
#include "hat/latency/predictor.h"
#include "hat/search/reach.h"

/// What hat search is asked for, and everything it knows before it scores anything.
namespace hat::cli {

struct SearchFlags {
  WorkspaceFlags workspace;
  /// "200ms", "70%" of what the largest network takes, or "rpi4=200ms" for one of several devices.
  std::vector<std::string> latency;
  std::string params;
  std::string size;
  std::string memory;
  std::string flops;
  std::string energy;
  std::vector<std::string> devices;
  bool pareto = false;
  bool fresh = false;
  bool no_measure = false;
  bool no_baselines = false;
  bool json = false;
  int compare = 0;        ///< seeds; 0: search
  int check_budgets = 0;  ///< searches; 0: none
};

struct SearchDevice {
  latency::Device device;
  latency::Predictor predictor;
  int cost = 0;  ///< index of its latency among the costs
  /// Joules a sentence (in its *_ms values), where --energy asks for it.
  std::shared_ptr<const latency::Predictor> energy;
  int energy_cost = -1;
};

/// Built in place: the problem points into it.
struct SearchSetup {
  explicit SearchSetup(const SearchFlags& flags);
  SearchSetup(const SearchSetup&) = delete;
  SearchSetup& operator=(const SearchSetup&) = delete;

  arch::Architecture decode(const search::Genotype& genotype) const {
    return space.decode(genotype);
  }
  /// "parameters 1.2 M" and the like, in the cost's unit.
  static std::string format(const search::Cost& cost, double value);
  double confidence() const { return workspace.config().latency.confidence; }

  config::Workspace workspace;
  arch::SearchSpace space;
  search::ArchitectureSpace genotypes;
  arch::Workload workload;
  arch::Precision precision = arch::Precision::kInt8;
  std::vector<SearchDevice> devices;
  std::vector<search::CostModel> models;  ///< of each cost of the problem
  search::Problem problem;
  std::vector<int> goal_device;  ///< index into devices, -1: none
  std::vector<search::Reach> reaches;
  std::vector<search::Genotype> anchors;  ///< of each goal
  /// Names the SuperTransformer's weights, the validation data, the loss and how it is computed:
  /// what scores are valid for.
  std::string score_id;
  std::string score_precision;  ///< "fp32" or "bf16"
  std::string loss_name;        ///< what is minimised, for people: "loss", "100 - BLEU"
  /// Latency limits are kept by the predictor's bound because nothing will be measured.
  bool by_bound = false;

 private:
  void find_super();
  void find_devices(const SearchFlags& flags);
  void add_costs(const SearchFlags& flags);
  void add_goals(const SearchFlags& flags);
  double latency_budget_ms(const std::string& text, const SearchDevice& device) const;
  void check_budgets();
  void add_cost(const std::string& name, const std::string& unit,
                std::function<double(const arch::Architecture&)> value);
};

/// Bytes that running the exported network takes at least: its weights, and the caches of keys and
/// values and the scores of one batch of the workload.
double memory_bytes(const arch::Architecture& architecture, const arch::ModelOptions& options,
                    const arch::Workload& workload, arch::Precision precision);

}  // namespace hat::cli
