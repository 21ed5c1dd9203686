#include "base/file_system.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string>
#include <system_error>

#include "base/signal_guard.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::internal {

namespace {

std::string hint_for(int error) {
  switch (error) {
    case ENOENT:
      return "Check the path; a relative one starts at the current directory.";
    case EACCES:
    case EPERM:
    case EROFS:
      return "Check the permissions, or choose another place.";
    case ENOSPC:
    case EDQUOT:
      return "The disk is full: free some space, then run the command again.";
    case EFBIG:
      return "The file would be larger than the limit of this system or shell (ulimit -f).";
    case EMFILE:
    case ENFILE:
      return "Too many files are open: raise the limit (ulimit -n).";
    default:
      return "";
  }
}

}  // namespace

Descriptor::~Descriptor() {
  if (fd_ >= 0) ::close(fd_);
}

void fail_io(std::string_view action, const fs::path& path, int error) {
  fail(ErrorKind::kIo,
       str("cannot ", action, " ", path.string(), ": ", std::generic_category().message(error)),
       hint_for(error));
}

int open_or_fail(const fs::path& path, int flags) {
  int fd = -1;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) fail_io((flags & O_CREAT) != 0 ? "create" : "open", path, errno);
  return fd;
}

struct stat status_of(int fd, const fs::path& path) {
  struct stat status = {};
  if (::fstat(fd, &status) != 0) fail_io("read", path, errno);
  return status;
}

int write_all(int fd, const void* data, size_t size) {
  const SignalGuard no_size_signal(SIGXFSZ);
  const SignalGuard no_pipe_signal(SIGPIPE);
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::write(fd, next, size);
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    if (written == 0) return EIO;
    next += written;
    size -= static_cast<size_t>(written);
  }
  return 0;
}

void sync_directory_of(const fs::path& path) {
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Descriptor directory(::open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() >= 0) ::fsync(directory.get());
}

}  // namespace hat::internal
