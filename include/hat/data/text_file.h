#pragma once

#include <cstdint>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>

#include "hat/base/file.h"

namespace hat::data {

/// Reads UTF-8 text line by line in bounded memory. A byte order mark at the start and a carriage
/// return at a line's end are not part of the text.
class LineReader {
 public:
  static constexpr size_t kMaxLineBytes = size_t{1} << 20;

  /// Throws kIo when the file cannot be read.
  explicit LineReader(const fs::path& path);

  /// The next line, valid until the next call; false at the end. Throws kData naming file and line
  /// number when it is not UTF-8, holds a zero byte or is longer than kMaxLineBytes.
  bool next(std::string_view* line);
  /// Lines read so far: the number, from 1, of the last one.
  uint64_t line_number() const { return line_number_; }
  const fs::path& path() const { return path_; }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  bool fill();
  void check(std::string_view line) const;

  fs::path path_;
  std::unique_ptr<std::FILE, Close> file_;
  std::string buffer_;
  size_t begin_ = 0;
  bool at_end_ = false;
  uint64_t line_number_ = 0;
};

}  // namespace hat::data
