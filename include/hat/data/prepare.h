#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "hat/config/json.h"
#include "hat/config/workspace_config.h"
#include "hat/data/corpus.h"
#include "hat/data/labelled.h"

/// hat prepare: from text files to a tokenizer and binary corpora in data/.
namespace hat::data {

/// Why sentences were left out of a corpus.
struct Dropped {
  uint64_t empty = 0;
  uint64_t too_long = 0;
  uint64_t ratio = 0;
  uint64_t total() const { return empty + too_long + ratio; }
};

struct PreparedSplit {
  std::string name;   ///< "train", "valid" or "test": NAME.bin and NAME.idx
  uint64_t read = 0;  ///< lines of text
  uint64_t kept = 0;
  Dropped dropped;
  LengthCounts source;  ///< tokens, the end of sentence included
  LengthCounts target;
  PairLengths pairs;     ///< both together; translation only
  uint64_t unknown = 0;  ///< unk among these tokens
  uint64_t fingerprint = 0;
};

struct Prepared {
  bool classification = false;
  std::string source_language;
  std::string target_language;
  std::vector<std::string> labels;
  bool joint = true;
  int source_vocabulary = 0;
  int target_vocabulary = 0;            ///< classification: the number of classes
  std::vector<std::string> tokenizers;  ///< file names in data/: source, and target if not joint
  uint64_t tokenizer_sentences = 0;     ///< that the tokenizer was trained on
  std::vector<PreparedSplit> splits;    ///< train first
  double padding_share = 0;             ///< of train in batches of train.batch_tokens

  config::OrderedJson to_json() const;
};

struct PrepareJob {
  config::TaskConfig task;
  config::PrepareConfig options;
  fs::path root;      ///< paths of `task` and of a given tokenizer are relative to this
  fs::path data_dir;  ///< replaced as a whole at the end, left as it was on any error
  uint64_t seed = 1;
  int batch_tokens = 4096;
};

/// The files that the task names. Throws kConfig when a needed one is not set.
ParallelCorpus parallel_corpus(const config::TaskConfig& task, const fs::path& root);
LabelledFiles labelled_files(const config::TaskConfig& task, const fs::path& root);

/// Trains the tokenizer, cleans, encodes and writes. Memory does not grow with the text beyond 12
/// bytes a pair. Drops from train and valid what is empty, longer than the limit or (train) too
/// unequal in length; test keeps every line, cut to the limit.
Prepared prepare(const PrepareJob& job);

}  // namespace hat::data
