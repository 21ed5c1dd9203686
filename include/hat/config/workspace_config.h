#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "hat/config/schema.h"

/// The options of a workspace. The members' meaning, ranges and defaults are declared once, in
/// src/config/workspace_config.cpp, and printed by docs/config.md.
namespace hat::config {

/// What the workspace is for, and its text files. Paths are relative to hat.json's folder.
struct TaskConfig {
  std::string kind = "translation";
  std::string source = "src";  ///< source language, the extension of its files
  std::string target = "tgt";
  std::string
      train;  ///< prefix: train.de and train.en for source de, target en; a .tsv to classify
  std::string valid;
  std::string test;
  void describe(Schema& s);
};

/// hat prepare.
struct PrepareConfig {
  std::string tokenizer = "auto";
  bool joint_vocabulary = true;
  int vocabulary_size = 0;
  int max_tokens_per_sentence = 256;
  double max_length_ratio = 4.0;
  bool lowercase = false;
  double character_coverage = 1.0;
  int64_t tokenizer_sample = 2'000'000;
  void describe(Schema& s);
};

/// hat train-super and, in its own section, hat finetune.
struct TrainConfig {
  int max_updates = 0;
  double max_minutes = 0;
  int batch_tokens = 4096;
  int accumulate = 1;
  double learning_rate = 0;
  std::string schedule = "cosine";
  int warmup_updates = 0;
  double adam_beta1 = 0.9;
  double adam_beta2 = 0.98;
  double adam_epsilon = 1e-8;
  double weight_decay = 0.0;
  double clip_norm = 1.0;
  double dropout = 0.1;
  double attention_dropout = 0.0;
  double activation_dropout = 0.0;
  double label_smoothing = 0.1;
  std::string strategy = "auto";
  double distillation = 0.5;
  double largest_first = 0.0;
  std::string precision = "auto";
  int validate_every = 0;
  int checkpoint_every = 0;
  int average_checkpoints = 5;
  double ema = 0.0;
  int patience = 0;
  int valid_sentences = 1000;
  void describe(Schema& s);
};

struct FinetuneConfig {
  std::string name;
  bool from_scratch = false;
  double distillation = 0.5;
  double update_fraction = 0.1;
  std::string quantise = "none";
  TrainConfig train;
  void describe(Schema& s);
};

/// hat measure-latency and hat train-predictor.
struct LatencyConfig {
  std::string device = "local";
  int samples = 50;
  int repetitions = 300;
  double precision_percent = 0.5;
  double trim = 0.1;
  double max_minutes = 0;
  int batch = 1;
  int beam = 5;
  int source_length = 0;
  int target_length = 0;
  std::string lengths = "mean";
  std::string predictor = "auto";
  double confidence = 0.9;
  void describe(Schema& s);
};

/// hat search.
struct SearchConfig {
  std::string algorithm = "nsga2";
  int evaluations = 300;
  int population = 50;
  std::string objective = "loss";
  int finalists = 5;
  int valid_sentences = 0;
  std::string precision = "auto";
  bool surrogate = true;
  void describe(Schema& s);
};

/// Beam search in hat evaluate and hat translate.
struct DecodeConfig {
  int beam = 5;
  double length_penalty = 1.0;
  int max_length = 200;
  double max_length_ratio = 3.0;
  int min_length = 1;
  void describe(Schema& s);
};

struct ExportConfig {
  std::string precision = "int8";
  int shortlist = 0;
  int parity_sentences = 100;
  void describe(Schema& s);
};

/// hat.json: everything that the commands of one workspace need.
struct WorkspaceConfig {
  int version = 1;
  int64_t seed = 1;
  int threads = 0;
  std::string space = "small";
  TaskConfig task;
  PrepareConfig prepare;
  TrainConfig train;
  FinetuneConfig finetune;
  LatencyConfig latency;
  SearchConfig search;
  DecodeConfig decode;
  ExportConfig exporting;
  void describe(Schema& s);
};

}  // namespace hat::config
