#pragma once

namespace hat::cli {

/// Sends hat's log lines to stderr through spdlog: "[12:30:05] [I] [search] ...".
void install_logging();

}  // namespace hat::cli
