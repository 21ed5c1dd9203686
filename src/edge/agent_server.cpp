#include <unistd.h>

#include <cerrno>
#include <string>
#include <utility>

#include "hat/base/strings.h"
#include "hat/edge/agent.h"

namespace hat::edge {
namespace {

/// False when the reader has gone.
bool write_line(int output, std::string line) {
  line += '\n';
  size_t written = 0;
  while (written < line.size()) {
    const ssize_t n = ::write(output, line.data() + written, line.size() - written);
    if (n < 0 && errno == EINTR) continue;
    if (n <= 0) return false;
    written += static_cast<size_t>(n);
  }
  return true;
}

/// Lines of a descriptor, never holding more than the longest allowed one.
class LineReader {
 public:
  enum class Status { kLine, kTooLong, kEnd };
  explicit LineReader(int input) : input_(input) {}

  Status next(std::string* line) {
    bool too_long = false;
    while (true) {
      const size_t end = buffer_.find('\n', searched_);
      if (end != std::string::npos) {
        *line = buffer_.substr(0, end);
        buffer_.erase(0, end + 1);
        searched_ = 0;
        return too_long ? Status::kTooLong : Status::kLine;
      }
      if (buffer_.size() > Agent::kMaxLineBytes) {
        too_long = true;
        buffer_.clear();
      }
      searched_ = buffer_.size();
      if (!fill()) {
        // A last line without a newline counts, unless it is empty.
        *line = std::exchange(buffer_, {});
        searched_ = 0;
        if (too_long) return Status::kTooLong;
        return line->empty() ? Status::kEnd : Status::kLine;
      }
    }
  }

 private:
  bool fill() {
    char block[65536];
    while (true) {
      const ssize_t n = ::read(input_, block, sizeof block);
      if (n < 0 && errno == EINTR) continue;
      if (n <= 0) return false;
      buffer_.append(block, static_cast<size_t>(n));
      return true;
    }
  }
  int input_;
  std::string buffer_;
  size_t searched_ = 0;
};

}  // namespace

void run_agent(int input, int output, std::unique_ptr<AgentBackend> backend) {
  Agent agent(std::move(backend));
  if (!write_line(output, agent.hello())) return;
  LineReader reader(input);
  std::string line;
  while (true) {
    const auto status = reader.next(&line);
    if (status == LineReader::Status::kEnd) return;
    std::string reply;
    if (status == LineReader::Status::kTooLong) {
      reply = Agent::too_long();
    } else if (trim(line).empty()) {
      continue;
    } else {
      reply = agent.answer(line);
    }
    if (agent.quit() || !write_line(output, reply)) return;
  }
}

}  // namespace hat::edge
