#pragma once

#include "command.h"

namespace hat::cli {

/// Flags of hat export, read by `hat` and acted on by `hat-torch`.
struct ExportOptions {
  WorkspaceFlags workspace;
  std::string model;   ///< name under models/; empty: the latest
  std::string output;  ///< empty: models/<name>/model.hat
  bool json = false;
};

}  // namespace hat::cli
