#pragma once

#include <functional>
#include <string>
#include <string_view>

namespace hat {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

/// Logs go to stderr, results to stdout. `subsystem` is the module's name, printed in brackets.
/// The header needs no logging library, so that LibTorch's headers and spdlog's (each with an fmt
/// of its own) never meet in one file; the programs install a sink that uses spdlog.
void log(LogLevel level, std::string_view subsystem, std::string_view message);
inline void log_debug(std::string_view s, std::string_view m) { log(LogLevel::kDebug, s, m); }
inline void log_info(std::string_view s, std::string_view m) { log(LogLevel::kInfo, s, m); }
inline void log_warning(std::string_view s, std::string_view m) { log(LogLevel::kWarning, s, m); }
inline void log_error(std::string_view s, std::string_view m) { log(LogLevel::kError, s, m); }

/// The same warning once in this process: a check that every measurement of a search repeats.
void log_warning_once(std::string_view subsystem, std::string_view message);

using LogSink = std::function<void(LogLevel, std::string_view, std::string_view)>;
/// Replaces where log lines go; an empty function restores plain lines on stderr.
void set_log_sink(LogSink sink);
void set_log_level(LogLevel level);
LogLevel log_level();

}  // namespace hat
