#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <system_error>
#include <utility>

#include "base/file_system.h"
#include "hat/base/error.h"
#include "hat/base/file.h"
#include "hat/base/strings.h"

namespace hat {

using internal::fail_io;

namespace {

constexpr size_t kBufferBytes = size_t{1} << 20;
constexpr auto kStaleAfter = std::chrono::minutes(1);

// ".NAME.tmp-PID-COUNT" beside the file: rename() works only within a file system.
std::string temporary_prefix(const fs::path& path) {
  return str(".", path.filename().string(), ".tmp-");
}

fs::path temporary_name(const fs::path& path) {
  static std::atomic<uint64_t> counter{0};
  return path.parent_path() / str(temporary_prefix(path), ::getpid(), "-", counter++);
}

// A killed run leaves its temporary file behind; checkpoints are large, so the next writer of the
// same file removes what no living process can still be writing.
void remove_stale_temporaries(const fs::path& path) {
  const std::string prefix = temporary_prefix(path);
  const fs::path parent = path.has_parent_path() ? path.parent_path() : fs::path(".");
  std::error_code error;
  for (fs::directory_iterator entry(parent, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (!name.starts_with(prefix)) continue;
    const std::vector<std::string> numbers = split(name.substr(prefix.size()), '-');
    int64_t pid = 0;
    if (numbers.size() != 2 || !parse_int(numbers[0], &pid) || pid <= 0) continue;
    const bool writer_lives = ::kill(static_cast<pid_t>(pid), 0) == 0 || errno != ESRCH;
    // The age protects writers on other machines that share the folder: their numbers mean nothing
    // here.
    std::error_code ignored;
    const auto age = fs::file_time_type::clock::now() - fs::last_write_time(entry->path(), ignored);
    if (!writer_lives && !ignored && age > kStaleAfter) fs::remove(entry->path(), ignored);
  }
}

}  // namespace

AtomicFile::AtomicFile(fs::path path) : path_(std::move(path)) {
  // A link stays a link: what it points at is replaced.
  std::error_code error;
  if (fs::is_symlink(path_, error)) {
    const fs::path target = fs::canonical(path_, error);
    if (!error) path_ = target;
  }
  struct stat status = {};
  const bool exists = ::stat(path_.c_str(), &status) == 0;
  HAT_CHECK(!exists || !S_ISDIR(status.st_mode), ErrorKind::kIo,
            str("cannot write ", path_.string(), ": it is a directory"), "Name a file in it.");
  if (exists && !S_ISREG(status.st_mode)) {
    // A device or a pipe (/dev/null, /dev/stdout) is written in place: it must not be replaced.
    fd_ = internal::open_or_fail(path_, O_WRONLY);
    return;
  }
  remove_stale_temporaries(path_);
  temporary_ = temporary_name(path_);
  fd_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (fd_ < 0) fail_io("write", path_, errno);
  if (exists) {
    [[maybe_unused]] const int ignored = ::fchmod(fd_, status.st_mode & 07777);
  }
}

AtomicFile::~AtomicFile() {
  if (fd_ < 0) return;
  ::close(fd_);
  if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(const void* data, size_t size) {
  HAT_DCHECK(fd_ >= 0);
  if (buffer_.size() + size > kBufferBytes) flush();
  position_ += size;
  if (size < kBufferBytes) {
    buffer_.append(static_cast<const char*>(data), size);
    return;
  }
  const int error = internal::write_all(fd_, data, size);
  if (error != 0) fail_io("write", path_, error);
}

void AtomicFile::write_at(size_t offset, const void* data, size_t size) {
  HAT_DCHECK(fd_ >= 0);
  HAT_DCHECK(offset <= position_ && size <= position_ - offset);
  flush();
  const char* next = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t written = ::pwrite(fd_, next, size, static_cast<off_t>(offset));
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) fail_io("write", path_, written < 0 ? errno : EIO);
    next += written;
    offset += static_cast<size_t>(written);
    size -= static_cast<size_t>(written);
  }
}

void AtomicFile::flush() {
  if (buffer_.empty()) return;
  const int error = internal::write_all(fd_, buffer_.data(), buffer_.size());
  if (error != 0) fail_io("write", path_, error);
  buffer_.clear();
}

void AtomicFile::commit() {
  HAT_DCHECK(fd_ >= 0);
  flush();
  const bool in_place = temporary_.empty();
  // Pipes and terminals know no fsync (EINVAL, ENOTSUP).
  if (::fsync(fd_) != 0 && !in_place) fail_io("write", path_, errno);
  // Some network file systems report a full disk only now.
  const int closed = ::close(std::exchange(fd_, -1));
  if (closed == 0 && in_place) return;
  if (closed != 0 || ::rename(temporary_.c_str(), path_.c_str()) != 0) {
    const int error = errno;
    if (!in_place) ::unlink(temporary_.c_str());
    fail_io("write", path_, error);
  }
  internal::sync_directory_of(path_);
}

}  // namespace hat
