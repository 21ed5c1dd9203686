#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

/// chrF (Popovic, 2015) and chrF++ (Popovic, 2017) with the numbers of sacreBLEU 2.6.
namespace hat::metrics {

struct ChrfOptions {
  int char_order = 6;
  int word_order = 0;  ///< 2 makes it chrF++
  int beta = 2;        ///< recall counts beta^2 times as much as precision
  bool lowercase = false;
  bool white_space = false;    ///< characters include white space
  bool eps_smoothing = false;  ///< as chrF++.py, NLTK and Moses, instead of the effective order
};

/// For each order (characters, then words): n-grams of hypothesis and reference, and matches.
struct ChrfStatistics {
  struct Order {
    int64_t hypothesis = 0;
    int64_t reference = 0;
    int64_t matches = 0;
  };
  std::vector<Order> orders;

  ChrfStatistics& operator+=(const ChrfStatistics& other);
};

/// Against several references: the statistics of the one with the best score.
ChrfStatistics chrf_statistics(std::string_view hypothesis,
                               const std::vector<std::string>& references,
                               const ChrfOptions& options);
/// 0 to 100.
double chrf_from_statistics(const ChrfStatistics& statistics, const ChrfOptions& options);
double sentence_chrf(std::string_view hypothesis, const std::vector<std::string>& references,
                     const ChrfOptions& options = {});
/// `references`: one list a reference file, each as long as `hypotheses` (kData otherwise).
double corpus_chrf(const std::vector<std::string>& hypotheses,
                   const std::vector<std::vector<std::string>>& references,
                   const ChrfOptions& options = {});
/// "chrF2", "chrF2++"
std::string chrf_name(const ChrfOptions& options);
/// "nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no|version:2.6.0"
std::string chrf_signature(const ChrfOptions& options, size_t reference_count);

}  // namespace hat::metrics
