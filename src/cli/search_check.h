#pragma once

#include "hat/config/json.h"
#include "search_scoring.h"

namespace hat::cli {

/// hat search --check-budgets: `count` whole searches with latency budgets drawn between what the
/// space can reach, sharing one score cache; then every winner is measured again, from nothing.
config::OrderedJson check_budgets(const SearchFlags& flags, const SearchSetup& setup,
                                  Scoring& scoring, int count);
std::string budget_check_text(const config::OrderedJson& check);

}  // namespace hat::cli
