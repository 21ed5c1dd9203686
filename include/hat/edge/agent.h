#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "hat/arch/cost.h"
#include "hat/arch/search_space.h"
#include "hat/config/json.h"
#include "hat/edge/translator.h"

namespace hat::edge {

/// docs/agent-protocol.md
inline constexpr int kAgentProtocol = 2;

/// A network to be built and how it is run, as a request describes it; within the protocol's
/// bounds.
struct AgentSubject {
  arch::Architecture architecture;
  arch::ModelOptions options;
  arch::Precision precision = arch::Precision::kInt8;
  arch::Workload workload;
  uint64_t seed = 1;
  int threads = 1;
  int shortlist = 0;

  /// The same for equal subjects only.
  std::string key() const;
};

/// A network on the device, ready to run.
class AgentNetwork {
 public:
  virtual ~AgentNetwork() = default;
  /// Every length of the workload once; times and pieces are divided by their number. Pieces: the
  /// encoder runs, then all decoder steps.
  virtual Timing run() = 0;
  virtual std::string model_id() const = 0;
  virtual double model_bytes() const = 0;
};

/// What builds and runs the networks of an agent.
class AgentBackend {
 public:
  virtual ~AgentBackend() = default;
  virtual std::string program() const = 0;
  /// The kernels in use.
  virtual std::string isa() const = 0;
  /// The processor that computes.
  virtual std::string machine() const = 0;
  /// Further keys of the hello's "machine".
  virtual config::OrderedJson facts() const { return config::OrderedJson::object(); }
  /// Throws kConfig when a subject cannot be measured here.
  virtual void check(const AgentSubject& subject) const = 0;
  virtual std::unique_ptr<AgentNetwork> build(const AgentSubject& subject) = 0;
};

/// hat's own runtime.
std::unique_ptr<AgentBackend> edge_backend();

/// The measuring agent: answers requests, one line each. Holds the anchor networks between
/// requests.
class Agent {
 public:
  explicit Agent(std::unique_ptr<AgentBackend> backend = edge_backend());
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
void run_agent(int input, int output, std::unique_ptr<AgentBackend> backend = edge_backend());

}  // namespace hat::edge
