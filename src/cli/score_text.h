#pragma once

#include <string>
#include <vector>

#include "hat/config/json.h"
#include "hat/metrics/bleu.h"
#include "hat/metrics/chrf.h"

/// BLEU and chrF of translations, for `hat evaluate`: of text files, or of a model's output.
namespace hat::cli {

struct TextScores {
  size_t sentences = 0;
  size_t references = 1;
  metrics::BleuOptions bleu_options;
  metrics::ChrfOptions chrf_options;
  metrics::BleuScore bleu;
  double chrf = 0;

  /// Two lines as the sacrebleu command prints them.
  std::string text() const;
  /// {"sentences": ..., "bleu": {"name", "score", "signature", "verbose_score", ...}, "chrf":
  /// {...}}
  config::OrderedJson json() const;
};

/// `references`: one list a reference, each as long as `hypotheses`.
TextScores score_text(const std::vector<std::string>& hypotheses,
                      const std::vector<std::vector<std::string>>& references,
                      const metrics::BleuOptions& bleu, const metrics::ChrfOptions& chrf);

/// Lines of a UTF-8 text file; "-" is standard input.
std::vector<std::string> read_text_lines(const std::string& path);

}  // namespace hat::cli
