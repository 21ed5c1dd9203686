#pragma once

#include <string>

#include "hat/train/trainer.h"

namespace hat::train {

/// "fp32" or "bf16" for a new run: what the config says, or for "auto" the faster of the two where
/// the processor computes bf16, by a short measurement on the run's first batch. bf16 has to be
/// clearly faster, so that noise does not decide and equal runs choose alike.
std::string choose_precision(const TrainerSetup& setup);

}  // namespace hat::train
