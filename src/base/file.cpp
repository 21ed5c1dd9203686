#include "hat/base/file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include "base/file_system.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat {

using internal::Descriptor;
using internal::fail_io;

std::string read_file(const fs::path& path, size_t max_bytes) {
  const Descriptor file(internal::open_or_fail(path, O_RDONLY));
  const struct stat status = internal::status_of(file.get(), path);
  HAT_CHECK(!S_ISDIR(status.st_mode), ErrorKind::kIo,
            str("cannot read ", path.string(), ": it is a directory"), "Name a file in it.");
  const auto too_large = [&] {
    fail(ErrorKind::kIo,
         str("cannot read ", path.string(), ": it is larger than ",
             format_bytes(static_cast<double>(max_bytes))),
         "Check that this is the file you mean.");
  };
  std::string content;
  if (S_ISREG(status.st_mode)) {
    if (static_cast<uint64_t>(status.st_size) > max_bytes) too_large();
    content.reserve(static_cast<size_t>(status.st_size));
  }
  // What the kernel says of the size is a hint: pipes and /proc have none, other files may grow.
  std::array<char, 1 << 16> chunk;
  while (true) {
    const ssize_t got = ::read(file.get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_io("read", path, errno);
    if (got == 0) return content;
    if (static_cast<size_t>(got) > max_bytes - content.size()) too_large();
    content.append(chunk.data(), static_cast<size_t>(got));
  }
}

void read_into(const fs::path& path, std::span<std::byte> out) {
  const Descriptor file(internal::open_or_fail(path, O_RDONLY));
  while (!out.empty()) {
    const ssize_t got = ::read(file.get(), out.data(), out.size());
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail_io("read", path, errno);
    HAT_CHECK(got > 0, ErrorKind::kIo, str("cannot read ", path.string(), ": it was cut short"),
              "Is another program writing it? Try again.");
    out = out.subspan(static_cast<size_t>(got));
  }
}

void write_file_atomic(const fs::path& path, std::string_view content) {
  AtomicFile file(path);
  file.write(content);
  file.commit();
}

void ensure_directory(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  // With a trailing slash or '.', create_directories may report an error for what exists.
  if (fs::is_directory(path)) return;
  if (!error) error = std::make_error_code(std::errc::not_a_directory);
  fail_io("create the directory", path, error.value());
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor file(internal::open_or_fail(path, O_RDONLY));
  const struct stat status = internal::status_of(file.get(), path);
  HAT_CHECK(S_ISREG(status.st_mode), ErrorKind::kIo,
            str("cannot map ", path.string(), ": it is not a regular file"),
            "Name a regular file; pipes and directories cannot be mapped.");
  if (status.st_size == 0) return;
  const auto size = static_cast<size_t>(status.st_size);
  void* const address = ::mmap(nullptr, size, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (address == MAP_FAILED) fail_io("map", path, errno);
  data_ = static_cast<const std::byte*>(address);
  size_ = size;
}

MappedFile::~MappedFile() {
  // munmap takes a pointer to what may be changed; nothing is.
  if (data_ != nullptr) ::munmap(const_cast<std::byte*>(data_), size_);
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : data_(std::exchange(other.data_, nullptr)), size_(std::exchange(other.size_, 0)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  return *this;
}

namespace {

// Where the text after the last newline begins: 0 when there is no newline.
off_t end_of_last_line(int fd, off_t size, const fs::path& path) {
  std::array<char, 4096> chunk;
  off_t end = size;
  while (end > 0) {
    const auto length = std::min<off_t>(end, static_cast<off_t>(chunk.size()));
    const off_t begin = end - length;
    const ssize_t got = ::pread(fd, chunk.data(), static_cast<size_t>(length), begin);
    if (got < 0 && errno == EINTR) continue;
    if (got != length) fail_io("read", path, got < 0 ? errno : EIO);
    const std::string_view text(chunk.data(), static_cast<size_t>(length));
    const size_t newline = text.rfind('\n');
    if (newline != std::string_view::npos) return begin + static_cast<off_t>(newline) + 1;
    end = begin;
  }
  return 0;
}

}  // namespace

LineJournal::LineJournal(const fs::path& path) : path_(path) {
  Descriptor file(internal::open_or_fail(path, O_RDWR | O_CREAT | O_APPEND));
  const struct stat status = internal::status_of(file.get(), path);
  HAT_CHECK(S_ISREG(status.st_mode), ErrorKind::kIo,
            str("cannot keep a journal in ", path.string(), ": it is not a regular file"),
            "Name a regular file, or one that does not exist yet.");
  const off_t whole = end_of_last_line(file.get(), status.st_size, path);
  if (whole != status.st_size && ::ftruncate(file.get(), whole) != 0) {
    fail_io("repair", path, errno);
  }
  internal::sync_directory_of(path);
  fd_ = file.release();
}

LineJournal::~LineJournal() {
  if (fd_ >= 0) ::close(fd_);
}

void LineJournal::append(std::string_view line) {
  HAT_DCHECK(line.find('\n') == std::string_view::npos);
  const struct stat before = internal::status_of(fd_, path_);
  const std::string text = str(line, "\n");
  int error = internal::write_all(fd_, text.data(), text.size());
  if (error == 0 && ::fdatasync(fd_) != 0) error = errno;
  if (error == 0) return;
  // The part that did fit would be glued to the next line.
  [[maybe_unused]] const int ignored = ::ftruncate(fd_, before.st_size);
  fail_io("write", path_, error);
}

FileLock::FileLock(const fs::path& path) {
  Descriptor file(internal::open_or_fail(path, O_RDWR | O_CREAT));
  int result = 0;
  do {
    result = ::flock(file.get(), LOCK_EX | LOCK_NB);
  } while (result != 0 && errno == EINTR);
  if (result != 0 && errno != EWOULDBLOCK) fail_io("lock", path, errno);
  if (result != 0) {
    std::array<char, 32> holder{};
    const ssize_t got = ::pread(file.get(), holder.data(), holder.size() - 1, 0);
    const std::string who = got > 0 ? str(" (process ", trim(holder.data()), ")") : "";
    fail(ErrorKind::kIo, str(path.string(), " is held by another process", who),
         "Wait until it has ended, or stop it.");
  }
  // Who holds it, for the message above; the lock itself is the kernel's and ends with the process.
  const std::string own = str(::getpid(), "\n");
  if (::ftruncate(file.get(), 0) == 0) internal::write_all(file.get(), own.data(), own.size());
  fd_ = file.release();
}

FileLock::~FileLock() {
  // The file stays: removing it would let two processes lock two files of the same name.
  if (fd_ >= 0) ::close(fd_);
}

}  // namespace hat
