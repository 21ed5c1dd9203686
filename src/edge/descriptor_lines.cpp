#include <poll.h>
#include <unistd.h>

#include <cerrno>

#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/edge/text_translator.h"

namespace hat::edge {

std::string DescriptorLines::take(size_t size, size_t consumed) {
  std::string line = buffer_.substr(begin_, size);
  begin_ += consumed;
  if (!line.empty() && line.back() == '\r') line.pop_back();
  return line;
}

std::optional<std::string> DescriptorLines::next(bool wait) {
  while (true) {
    const size_t newline = buffer_.find('\n', begin_);
    if (newline != std::string::npos) {
      const size_t size = newline - begin_;
      if (dropping_) {
        begin_ += size + 1;
        dropping_ = false;
        continue;
      }
      return take(size, size + 1);
    }
    const size_t waiting = buffer_.size() - begin_;
    if (dropping_) {
      begin_ = buffer_.size();
    } else if (waiting > kMaxLineBytes) {
      if (!warned_) {
        log_warning("translate", str("a line is longer than ", kMaxLineBytes,
                                     " bytes: the rest of such lines is not translated"));
      }
      warned_ = true;
      dropping_ = true;
      return take(kMaxLineBytes, waiting);
    }
    if (ended_) {
      if (begin_ == buffer_.size()) return std::nullopt;
      return take(waiting, waiting);
    }
    if (!fill(wait)) return std::nullopt;
  }
}

bool DescriptorLines::fill(bool wait) {
  buffer_.erase(0, begin_);
  begin_ = 0;
  while (true) {
    throw_if_stopped();
    if (!wait) {
      pollfd ready{descriptor_, POLLIN, 0};
      if (::poll(&ready, 1, 0) <= 0) return false;
    }
    char block[65536];
    const ssize_t n = ::read(descriptor_, block, sizeof block);
    if (n < 0 && errno == EINTR) continue;
    HAT_CHECK(n >= 0, ErrorKind::kIo, "cannot read the input");
    if (n == 0) {
      ended_ = true;
      return true;
    }
    buffer_.append(block, static_cast<size_t>(n));
    return true;
  }
}

}  // namespace hat::edge
