#include "logging.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

#include "hat/base/log.h"
#include "hat/base/progress.h"

namespace hat::cli {
namespace {

spdlog::level::level_enum level_of(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return spdlog::level::debug;
    case LogLevel::kInfo:
      return spdlog::level::info;
    case LogLevel::kWarning:
      return spdlog::level::warn;
    case LogLevel::kError:
      return spdlog::level::err;
  }
  return spdlog::level::info;
}

}  // namespace

void install_logging() {
  auto logger = spdlog::stderr_color_st("hat");
  logger->set_pattern("[%H:%M:%S] %^[%L]%$ %v");
  logger->set_level(spdlog::level::debug);  // hat's own level filters first
  set_log_sink([logger](LogLevel level, std::string_view subsystem, std::string_view message) {
    Progress::clear_live_line();
    logger->log(level_of(level), "[{}] {}", subsystem, message);
  });
}

}  // namespace hat::cli
