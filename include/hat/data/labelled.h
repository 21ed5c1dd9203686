#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hat/base/file.h"
#include "hat/data/corpus.h"
#include "hat/data/text_file.h"

/// Labelled text: one example a line, "label<TAB>text" or "text<TAB>label".
namespace hat::data {

struct LabelledFiles {
  fs::path train;
  std::optional<fs::path> valid;
  std::optional<fs::path> test;
};

/// Which column holds the label, and all labels in byte order: label i is class i.
struct LabelScheme {
  bool label_first = true;
  bool has_header = false;  ///< the first line says "label" and "text" (or "sentence")
  std::vector<std::string> labels;
  /// The class of a label, or -1.
  int index(std::string_view label) const;
};

/// Finds the column with few distinct values in the training file. Throws kData when lines lack a
/// tab or there are not 2 to 1,000 classes.
LabelScheme find_labels(const fs::path& train);

/// Reads examples one by one; the label must be known (kData naming file and line).
class LabelledReader {
 public:
  LabelledReader(const fs::path& path, const LabelScheme& scheme);
  bool next(std::string_view* text, int* label);

 private:
  LineReader reader_;
  const LabelScheme& scheme_;
};

struct LabelledSummary {
  uint64_t examples = 0;
  uint64_t bytes = 0;
  uint64_t empty = 0;
  uint64_t seen_in_train = 0;  ///< texts that train has too (valid and test)
  std::vector<uint64_t> per_class;
  LengthCounts words;
};

struct LabelledCorpusSummary {
  LabelScheme scheme;
  LabelledSummary train;
  std::optional<LabelledSummary> valid;
  std::optional<LabelledSummary> test;
  size_t distinct_words = 0;
  std::vector<std::string> warnings;
};

/// Reads everything once, with the checks of inspect() for parallel text.
LabelledCorpusSummary inspect(const LabelledFiles& files);

}  // namespace hat::data
