#pragma once

#include <string>

namespace hat::cli {

/// Flags of `hat-torch agent`.
struct AgentOptions {
  std::string backend = "cpu";
};

}  // namespace hat::cli
