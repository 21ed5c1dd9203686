#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hat/base/file.h"

/// What text files hold, checked and counted in one pass and in bounded memory.
namespace hat::data {

/// The two files of one split; line i of one is the translation of line i of the other.
struct ParallelFiles {
  fs::path source;
  fs::path target;
};

/// PREFIX.source and PREFIX.target.
ParallelFiles parallel_files(const fs::path& prefix, const std::string& source,
                             const std::string& target);

/// Lengths of sentences, in words or in tokens; long ones are counted exactly up to kMost.
class LengthCounts {
 public:
  static constexpr size_t kMost = 4096;
  void add(size_t length);
  uint64_t count() const { return count_; }
  uint64_t total() const { return total_; }
  double mean() const;
  /// The length that a share `q` of the sentences does not exceed.
  size_t quantile(double q) const;
  size_t longest() const { return longest_; }

 private:
  std::vector<uint64_t> counts_ = std::vector<uint64_t>(kMost + 1);
  uint64_t count_ = 0;
  uint64_t total_ = 0;
  size_t longest_ = 0;
};

/// How the lengths of both sides of a corpus go together.
class PairLengths {
 public:
  struct Pair {
    int source = 0;
    int target = 0;
  };
  /// Longer sources than LengthCounts::kMost count as that.
  void add(size_t source, size_t target);
  /// The pairs ordered by source length and cut into `groups` of equal size: the rounded mean of
  /// both sides of each, at least 1. Empty when there are no pairs.
  std::vector<Pair> groups(int count) const;

 private:
  struct Entry {
    double pairs = 0;
    double target = 0;
  };
  std::vector<Entry> by_source_;
};

struct SplitSummary {
  uint64_t pairs = 0;
  uint64_t bytes = 0;          ///< of text on both sides
  uint64_t empty = 0;          ///< pairs with nothing on at least one side
  uint64_t seen_in_train = 0;  ///< pairs that train has too (valid and test)
  LengthCounts source_words;
  LengthCounts target_words;
};

struct CorpusSummary {
  SplitSummary train;
  std::optional<SplitSummary> valid;
  std::optional<SplitSummary> test;
  size_t distinct_words = 0;   ///< of train, both sides; counting stops at a million
  std::string guessed_source;  ///< language code, or "" when unclear
  std::string guessed_target;
  /// Sentences for a person: overlap of test with train, languages that look swapped, and the like.
  std::vector<std::string> warnings;
};

struct ParallelCorpus {
  std::string source_language;
  std::string target_language;
  ParallelFiles train;
  std::optional<ParallelFiles> valid;
  std::optional<ParallelFiles> test;
};

/// Reads everything once. Throws kIo for a missing file, kData for unequal line counts, an empty
/// file or side, text that is not UTF-8 (with line number), or one file given twice.
CorpusSummary inspect(const ParallelCorpus& corpus);

}  // namespace hat::data
