#pragma once

#include "hat/config/json.h"
#include "search_scoring.h"

namespace hat::cli {

/// hat search --compare: the default search beside the original's evolution, random search and the
/// baselines, over `seeds` seeds and one score cache.
config::OrderedJson compare_searches(const SearchSetup& setup, Scoring& scoring, int seeds);
std::string comparison_text(const config::OrderedJson& comparison);

}  // namespace hat::cli
