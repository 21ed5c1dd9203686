#include "hat/base/error.h"

#include <string>
#include <utility>

#include "hat/base/strings.h"

namespace hat {

Error::Error(ErrorKind kind, std::string message, std::string hint)
    : kind_(kind), message_(std::move(message)), hint_(std::move(hint)) {}

Error& Error::add_context(std::string_view context) {
  message_ = str(context, ": ", message_);
  return *this;
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kInternal:
      return 1;
    case ErrorKind::kUsage:
    case ErrorKind::kConfig:
      return 2;
    case ErrorKind::kData:
    case ErrorKind::kIo:
      return 3;
    case ErrorKind::kInfeasible:
      return 4;
    case ErrorKind::kInterrupted:
      return 130;
  }
  return 1;
}

void fail(ErrorKind kind, std::string message, std::string hint) {
  throw Error(kind, std::move(message), std::move(hint));
}

void fail_internal(const char* file, int line, const char* condition) {
  // Only the file's own name: where the program was built is nobody's business.
  std::string_view name = file;
  name = name.substr(name.find_last_of('/') + 1);
  fail(ErrorKind::kInternal, str("internal error at ", name, ":", line, ": ", condition),
       "This is a bug of hat. Please report it with the command and the output of 'hat doctor'.");
}

}  // namespace hat
