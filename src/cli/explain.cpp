#include "explain.h"

#include <algorithm>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/workspace.h"
#include "hat/latency/predictor.h"
#include "latency_text.h"

namespace hat::cli {
namespace {

config::OrderedJson explain_json(const latency::Predictor& predictor,
                                 const arch::Architecture& architecture,
                                 const arch::SearchSpace& space, double confidence) {
  config::OrderedJson parts = config::OrderedJson::array();
  for (const latency::Contribution& part : predictor.explain(architecture)) {
    parts.push_back({{"cost", part.name}, {"ms", part.ms}});
  }
  config::OrderedJson genes = config::OrderedJson::array();
  for (const latency::GeneCost& cost : predictor.gene_costs(space)) {
    config::OrderedJson choices = config::OrderedJson::array();
    for (const auto& [choice, ms] : cost.choice_ms) {
      choices.push_back({{"choice", choice}, {"ms", ms}});
    }
    genes.push_back({{"gene", cost.gene}, {"choices", choices}});
  }
  return {{"device", predictor.scope().device},
          {"imported", predictor.scope().imported},
          {"predicted_ms", predictor.predict_ms(architecture)},
          {"bound_ms", predictor.upper_bound_ms(architecture, confidence)},
          {"bound_confidence", confidence},
          {"costs", parts},
          {"genes", genes}};
}

}  // namespace

std::string explain(const arch::Architecture& architecture, const std::string& workspace_folder,
                    const std::string& device, bool json) {
  const config::Workspace workspace = config::Workspace::find(workspace_folder);
  const config::LatencyConfig& config = workspace.config().latency;
  const std::string name = device.empty() ? config.device : device;
  const fs::path path = workspace.device_dir(name) / "predictor.json";
  HAT_CHECK(fs::exists(path), ErrorKind::kData, str("device '", name, "' has no predictor yet"),
            str("run 'hat measure-latency --device ", name, "' first"));
  const latency::Predictor predictor = latency::Predictor::load(path);
  const arch::SearchSpace space =
      arch::SearchSpace::named(workspace.config().space, workspace.root());
  if (json) return explain_json(predictor, architecture, space, config.confidence).dump(2) + "\n";

  const double total = predictor.predict_ms(architecture);
  std::string out = str("on ", name, ": ", fixed(total, 2), " ms predicted, at most ",
                        fixed(predictor.upper_bound_ms(architecture, config.confidence), 2),
                        " ms with ", fixed(100 * config.confidence, 0), " % confidence\n");
  const std::string provenance = provenance_text(predictor.scope());
  if (!provenance.empty()) out += provenance + "\n";
  std::vector<latency::Contribution> parts = predictor.explain(architecture);
  std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.ms > b.ms; });
  for (const latency::Contribution& part : parts) {
    const std::string gap(part.name.size() < 28 ? 28 - part.name.size() : 1, ' ');
    out += str("  ", part.name, gap, fixed(part.ms, 2), " ms  ", fixed(100 * part.ms / total, 1),
               " %\n");
  }
  out += "all layers at one choice, the rest as in the middle of the space\n";
  return out + gene_cost_text(predictor.gene_costs(space));
}

}  // namespace hat::cli
