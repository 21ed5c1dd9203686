#include "hat/data/text_file.h"

#include <cerrno>
#include <cstring>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::data {
namespace {

constexpr size_t kChunk = size_t{1} << 18;

}  // namespace

LineReader::LineReader(const fs::path& path) : path_(path) {
  HAT_CHECK(
      fs::exists(path), ErrorKind::kIo, str("no such file: ", path.string()),
      "Check the path; it is relative to the folder of hat.json there, to the current folder in "
      "a flag.");
  HAT_CHECK(!fs::is_directory(path), ErrorKind::kIo,
            str("cannot read ", path.string(), ": it is a directory"), "Name a text file.");
  file_.reset(std::fopen(path.c_str(), "rb"));
  HAT_CHECK(file_ != nullptr, ErrorKind::kIo,
            str("cannot read ", path.string(), ": ", std::strerror(errno)));
}

bool LineReader::fill() {
  if (at_end_) return false;
  buffer_.erase(0, begin_);
  begin_ = 0;
  const size_t old = buffer_.size();
  buffer_.resize(old + kChunk);
  const size_t got = std::fread(buffer_.data() + old, 1, kChunk, file_.get());
  HAT_CHECK(std::ferror(file_.get()) == 0, ErrorKind::kIo,
            str("cannot read ", path_.string(), ": ", std::strerror(errno)));
  buffer_.resize(old + got);
  at_end_ = got == 0;
  return got > 0;
}

void LineReader::check(std::string_view line) const {
  const size_t bad = find_invalid_utf8(line);
  HAT_CHECK(bad == std::string_view::npos, ErrorKind::kData,
            str(path_.string(), ": line ", line_number_, " is not UTF-8 (byte ", bad + 1, ")"),
            "Convert the file first, for example: iconv -f LATIN1 -t UTF-8 OLD > NEW");
  HAT_CHECK(line.find('\0') == std::string_view::npos, ErrorKind::kData,
            str(path_.string(), ": line ", line_number_, " holds a zero byte, so this is no text"),
            "Give plain UTF-8 text, one sentence a line.");
}

bool LineReader::next(std::string_view* line) {
  size_t searched = 0;
  size_t end = std::string::npos;
  while (true) {
    end = buffer_.find('\n', begin_ + searched);
    if (end != std::string::npos) break;
    searched = buffer_.size() - begin_;
    HAT_CHECK(searched <= kMaxLineBytes, ErrorKind::kData,
              str(path_.string(), ": line ", line_number_ + 1, " is longer than ",
                  format_bytes(static_cast<double>(kMaxLineBytes))),
              "Give plain text, one sentence a line.");
    if (!fill()) break;
  }
  if (end == std::string::npos && begin_ == buffer_.size()) return false;
  std::string_view found = std::string_view(buffer_).substr(
      begin_, end == std::string::npos ? std::string::npos : end - begin_);
  begin_ = end == std::string::npos ? buffer_.size() : end + 1;
  ++line_number_;
  if (line_number_ == 1 && found.starts_with("\xEF\xBB\xBF")) found.remove_prefix(3);
  if (found.ends_with('\r')) found.remove_suffix(1);
  check(found);
  *line = found;
  return true;
}

}  // namespace hat::data
