#pragma once

#include <exception>
#include <string>
#include <string_view>

namespace hat {

/// What went wrong, which decides the exit code and nothing else.
enum class ErrorKind {
  kInternal,     ///< a bug of hat: exit code 1
  kUsage,        ///< wrong flags or arguments: 2
  kConfig,       ///< wrong value, unknown key, impossible combination in a config: 2
  kData,         ///< the content of a file is not what it should be: 3
  kIo,           ///< a file, device or connection does not answer: 3
  kInfeasible,   ///< no architecture can meet what was asked: 4
  kInterrupted,  ///< stopped by SIGINT or SIGTERM after saving: 130
};

/// The one exception of hat. `message` says what is wrong, `hint` what the user can do about it.
/// Only the programs' main() catches it to end the program.
class Error : public std::exception {
 public:
  Error(ErrorKind kind, std::string message, std::string hint = "");

  ErrorKind kind() const { return kind_; }
  const std::string& message() const { return message_; }
  const std::string& hint() const { return hint_; }
  const char* what() const noexcept override { return message_.c_str(); }

  /// Puts "context: " before the message; used while unwinding to name the file or key.
  Error& add_context(std::string_view context);

 private:
  ErrorKind kind_;
  std::string message_;
  std::string hint_;
};

/// The process exit code that a kind of error ends with.
int exit_code(ErrorKind kind);

[[noreturn]] void fail(ErrorKind kind, std::string message, std::string hint = "");
[[noreturn]] void fail_internal(const char* file, int line, const char* condition);

}  // namespace hat

/// For everything a user, a file or a device can cause: HAT_CHECK(n > 0, ErrorKind::kData,
/// "message", "hint"). The arguments after the condition are evaluated only when it fails.
#define HAT_CHECK(condition, kind, ...)             \
  do {                                              \
    if (!(condition)) hat::fail(kind, __VA_ARGS__); \
  } while (false)

/// For our own bugs. Stays on in release builds: it guards indices, not inner loops.
#define HAT_DCHECK(condition)                                             \
  do {                                                                    \
    if (!(condition)) hat::fail_internal(__FILE__, __LINE__, #condition); \
  } while (false)
