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

struct ScoreWorkerOptions {
  WorkspaceFlags workspace;
};

}  // namespace hat::cli
