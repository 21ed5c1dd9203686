#pragma once

#include <cstdint>

#include "hat/train/trainer.h"

namespace hat::train {

/// Everything that decides the bytes of a run's result, so that a resumed run cannot silently mix
/// two.
config::OrderedJson settings_of(const TrainerSetup& setup);

/// Drops rows of metrics.jsonl that a resumed run will write again: about later updates, and the
/// comparison at the end.
void cut_metrics(const fs::path& path, int64_t update);

}  // namespace hat::train
