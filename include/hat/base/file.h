#pragma once

#include <cstddef>
#include <filesystem>
#include <fstream>
#include <span>
#include <string>
#include <string_view>

namespace hat {

namespace fs = std::filesystem;

/// The whole file. Throws kIo when it cannot be read, or is larger than `max_bytes`.
std::string read_file(const fs::path& path, size_t max_bytes = size_t{1} << 34);

/// The first bytes of a file, as many as `out` holds. Throws kIo when it cannot be read or is
/// shorter.
void read_into(const fs::path& path, std::span<std::byte> out);

/// Writes a temporary file beside `path`, fsyncs it, renames it over `path`, fsyncs the directory:
/// after a crash there is the old file or the new one, never a part.
void write_file_atomic(const fs::path& path, std::string_view content);

/// The same for content that is produced piece by piece. Without commit() nothing is left behind.
class AtomicFile {
 public:
  explicit AtomicFile(fs::path path);
  ~AtomicFile();
  AtomicFile(const AtomicFile&) = delete;
  AtomicFile& operator=(const AtomicFile&) = delete;

  void write(const void* data, size_t size);
  void write(std::string_view text) { write(text.data(), text.size()); }
  /// Bytes written so far.
  size_t position() const { return position_; }
  /// Overwrites bytes already written (a header whose values are known at the end).
  void write_at(size_t offset, const void* data, size_t size);
  void commit();

 private:
  void flush();
  fs::path path_;
  fs::path temporary_;
  int fd_ = -1;
  size_t position_ = 0;
  std::string buffer_;
};

/// Read-only memory map of a whole file; an empty file is an empty span.
class MappedFile {
 public:
  MappedFile() = default;
  explicit MappedFile(const fs::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  std::span<const std::byte> bytes() const { return {data_, size_}; }

 private:
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

/// Appends one line and flushes it to disk: a journal that survives a kill. A last line that a kill
/// cut short is removed when the file is opened again.
class LineJournal {
 public:
  explicit LineJournal(const fs::path& path);
  ~LineJournal();
  LineJournal(const LineJournal&) = delete;
  LineJournal& operator=(const LineJournal&) = delete;
  void append(std::string_view line);

 private:
  fs::path path_;
  int fd_ = -1;
};

/// Creates the directory and its parents.
void ensure_directory(const fs::path& path);

/// A lock file held for the life of the object; throws kIo when another process holds it.
class FileLock {
 public:
  explicit FileLock(const fs::path& path);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;

 private:
  int fd_ = -1;
};

}  // namespace hat
