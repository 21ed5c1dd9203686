#pragma once

#include <string>
#include <vector>

#include "command.h"
#include "score_text.h"

namespace hat::cli {

struct EvaluateModelOptions {
  WorkspaceFlags workspace;
  std::string model;               ///< name under models/; empty: the one finetuned last
  std::string precision = "fp32";  ///< of the weights while translating
  std::string output;              ///< where the translations go; empty: models/<name>/
  bool json = false;
};

/// Translates the workspace's test text with a finetuned model, through the runtime of the device,
/// and scores it against the reference. Writes translations and evaluation.<precision>.json beside
/// the model.
void evaluate_model(const EvaluateModelOptions& options, const metrics::BleuOptions& bleu,
                    const metrics::ChrfOptions& chrf);

}  // namespace hat::cli
