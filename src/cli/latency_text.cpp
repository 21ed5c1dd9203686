#include "latency_text.h"

#include "hat/base/strings.h"

namespace hat::cli {

std::string accuracy_text(const latency::Accuracy& a) {
  return str("error ", fixed(a.mape_percent, 2), " %, within 5 %: ", fixed(a.within_5_percent, 1),
             " %, within 10 %: ", fixed(a.within_10_percent, 1), " %, RMSE ", fixed(a.rmse_ms, 3),
             " ms, Kendall tau ", fixed(a.kendall_tau, 3));
}

config::OrderedJson accuracy_json(const latency::Accuracy& a) {
  return {{"mape_percent", a.mape_percent},
          {"within_5_percent", a.within_5_percent},
          {"within_10_percent", a.within_10_percent},
          {"rmse_ms", a.rmse_ms},
          {"kendall_tau", a.kendall_tau}};
}

std::string findings_text(const std::vector<latency::Finding>& findings) {
  std::string out;
  for (const latency::Finding& finding : findings) {
    out += str("  ", finding.problem ? "problem" : "note", "  ",
               latency::finding_name(finding.kind), ": ", finding.what, "\n");
    if (!finding.lines.empty()) {
      out += str("           lines: ", latency::format_lines(finding.lines), "\n");
    }
    out += str("           do: ", finding.advice, "\n");
  }
  return out;
}

std::string provenance_text(const latency::PredictorScope& scope) {
  if (!scope.imported) return "";
  return str("stands on imported numbers (", scope.imported_from, "), not on this device");
}

std::string gene_cost_text(const std::vector<latency::GeneCost>& costs) {
  std::string out;
  for (const latency::GeneCost& cost : costs) {
    if (cost.choice_ms.size() < 2) continue;
    std::vector<std::string> parts;
    for (const auto& [choice, ms] : cost.choice_ms) {
      parts.push_back(str(choice, ": ", fixed(ms, 2), " ms"));
    }
    out += str("  ", cost.gene, std::string(cost.gene.size() < 28 ? 28 - cost.gene.size() : 1, ' '),
               join(parts, ", "), "\n");
  }
  return out;
}

}  // namespace hat::cli
