#pragma once

#include <string>

#include "hat/latency/checks.h"
#include "hat/latency/predictor.h"

/// Text and JSON that train-predictor, measure-latency and doctor share.
namespace hat::cli {

std::string accuracy_text(const latency::Accuracy& accuracy);
config::OrderedJson accuracy_json(const latency::Accuracy& accuracy);
/// One paragraph a finding: kind, what, lines, advice.
std::string findings_text(const std::vector<latency::Finding>& findings);
/// "predicts from imported numbers (FILE)", or "" for measured ones.
std::string provenance_text(const latency::PredictorScope& scope);
/// Which gene costs how many milliseconds, as a table.
std::string gene_cost_text(const std::vector<latency::GeneCost>& costs);

}  // namespace hat::cli
