#pragma once

#include <sys/stat.h>

#include <cstddef>
#include <filesystem>
#include <string_view>
#include <utility>

/// The system calls that the file classes share, with their errors named.
namespace hat::internal {

namespace fs = std::filesystem;

/// Closes a file descriptor at the end of its scope unless released.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor();
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

/// Throws kIo: "cannot ACTION PATH: REASON", with a hint where the error number allows one.
[[noreturn]] void fail_io(std::string_view action, const fs::path& path, int error);

/// open() with O_CLOEXEC and mode 0666 less the umask; throws kIo.
int open_or_fail(const fs::path& path, int flags);

struct stat status_of(int fd, const fs::path& path);

/// Writes everything at the file's position; returns 0 or the error number. Neither a full quota of
/// file size (SIGXFSZ) nor a closed pipe (SIGPIPE) kills the process.
int write_all(int fd, const void* data, size_t size);

/// Makes a new or renamed entry of the directory durable. File systems that cannot are forgiven.
void sync_directory_of(const fs::path& path);

}  // namespace hat::internal
