#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace hat::edge {

/// docs/agent-protocol.md
inline constexpr int kAgentProtocol = 1;

/// The measuring agent: answers requests, one line each. Holds the anchor network between requests.
class Agent {
 public:
  Agent();
  ~Agent();
  Agent(const Agent&) = delete;
  Agent& operator=(const Agent&) = delete;

  /// The line to greet with.
  std::string hello() const;
  /// The reply to one request line, without newline; "" for quit, after which quit() is true. Never
  /// throws for anything a line can hold.
  std::string answer(std::string_view line);
  bool quit() const { return quit_; }
  /// The reply to a line longer than kMaxLineBytes.
  static std::string too_long();
  static constexpr size_t kMaxLineBytes = size_t{1} << 20;

 private:
  struct State;
  std::unique_ptr<State> state_;
  bool quit_ = false;
};

/// Serves requests from a file descriptor to another until end of input, quit, or a reader that has
/// gone.
void run_agent(int input, int output);

}  // namespace hat::edge
