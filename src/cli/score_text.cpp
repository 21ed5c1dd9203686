#include "score_text.h"

#include "hat/base/strings.h"
#include "hat/data/text_file.h"

namespace hat::cli {

std::string TextScores::text() const {
  return str("BLEU|", metrics::bleu_signature(bleu_options, references), " = ",
             fixed(bleu.score, 2), " ", bleu.details(), "\n", metrics::chrf_name(chrf_options), "|",
             metrics::chrf_signature(chrf_options, references), " = ", fixed(chrf, 2), "\n");
}

config::OrderedJson TextScores::json() const {
  config::OrderedJson j;
  j["sentences"] = sentences;
  j["references"] = references;
  j["bleu"] = {{"name", "BLEU"},
               {"score", bleu.score},
               {"signature", metrics::bleu_signature(bleu_options, references)},
               {"verbose_score", bleu.details()},
               {"precisions", bleu.precisions},
               {"brevity_penalty", bleu.brevity_penalty},
               {"hypothesis_length", bleu.statistics.hypothesis_length},
               {"reference_length", bleu.statistics.reference_length}};
  j["chrf"] = {{"name", metrics::chrf_name(chrf_options)},
               {"score", chrf},
               {"signature", metrics::chrf_signature(chrf_options, references)}};
  return j;
}

TextScores score_text(const std::vector<std::string>& hypotheses,
                      const std::vector<std::vector<std::string>>& references,
                      const metrics::BleuOptions& bleu, const metrics::ChrfOptions& chrf) {
  TextScores scores;
  scores.sentences = hypotheses.size();
  scores.references = references.size();
  scores.bleu_options = bleu;
  scores.chrf_options = chrf;
  scores.bleu = metrics::corpus_bleu(hypotheses, references, bleu);
  scores.chrf = metrics::corpus_chrf(hypotheses, references, chrf);
  return scores;
}

std::vector<std::string> read_text_lines(const std::string& path) {
  data::LineReader reader(path == "-" ? "/dev/stdin" : path);
  std::vector<std::string> lines;
  std::string_view line;
  while (reader.next(&line)) lines.emplace_back(line);
  return lines;
}

}  // namespace hat::cli
