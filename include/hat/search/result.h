#pragma once

#include <string>
#include <vector>

#include "hat/config/json.h"
#include "hat/search/finalists.h"

namespace hat::search {

/// One line of a report: a network and what is known of it.
struct ReportRow {
  std::string name;  ///< "winner", "depth sweep"
  std::string id;
  double loss = 0;
  std::vector<double> costs;  ///< predicted, one a cost of the problem
  double bound = 0;           ///< of the measured cost; NaN where there is none
  double measured = 0;        ///< NaN: not measured
  bool keeps = true;          ///< the goal's limits
};

/// A table for people: name, loss, each cost (the first with its bound and measured value).
std::string report_table(const std::vector<ReportRow>& rows, const std::vector<Cost>& costs,
                         int measured_cost, const std::string& loss_name);
config::OrderedJson to_json(const ReportRow& row, const std::vector<Cost>& costs,
                            int measured_cost);

}  // namespace hat::search
