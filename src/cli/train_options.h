#pragma once

#include "command.h"

/// Flags of the training commands, shared by `hat`, which reads them, and `hat-torch`, which acts.
namespace hat::cli {

struct TrainSuperOptions {
  WorkspaceFlags workspace;
  bool restart = false;
  bool json = false;
};

struct FinetuneCommandOptions {
  WorkspaceFlags workspace;
  std::string architecture;
  bool restart = false;
  bool json = false;
};

struct RankCheckCommandOptions {
  WorkspaceFlags workspace;
  int architectures = 16;
  int updates = 0;
  bool json = false;
};

struct ScoreWorkerOptions {
  WorkspaceFlags workspace;
};

/// hat bench --train, and --elastic, which takes the shapes from a space.
struct TrainBenchFlags {
  std::string space;
  int layers = 6;
  int width = 512;
  int ffn_dim = 2048;
  int heads = 8;
  int vocabulary = 10000;
  int batch_tokens = 2048;
  std::string precision = "auto";
  double seconds = 60;
  int threads = 0;
  bool json = false;
};

/// hat bench --scores.
struct ScoreBenchFlags {
  std::string space;
  int vocabulary = 10000;
  std::string precision = "auto";
  int threads = 0;
  bool json = false;
};

}  // namespace hat::cli
