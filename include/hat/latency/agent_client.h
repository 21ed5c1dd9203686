#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "hat/arch/cost.h"
#include "hat/arch/search_space.h"
#include "hat/base/process.h"
#include "hat/config/json.h"
#include "hat/latency/device.h"

namespace hat::latency {

/// What an agent says of its machine when it starts.
struct AgentHello {
  std::string program, version, commit;
  std::string machine;   ///< the processor's name
  std::string cpu_arch;  ///< "x86-64", "aarch64"
  std::string isa;
  std::string runtime;  ///< of agents with LibTorch: its version and what it was built with
  int logical_cores = 0;
  double memory_bytes = 0;
  std::string governor;      ///< empty where the system does not tell
  double temperature_c = 0;  ///< 0 likewise
  double clock_mhz = 0;
  bool energy = false;
};

struct MeasureRequest {
  arch::Architecture architecture;
  arch::ModelOptions options;
  std::string precision = "int8";
  arch::Workload workload;
  uint64_t seed = 1;
  int threads = 1;
  int warmup = 3;
  int repetitions = 30;
  double time_limit_ms = 10'000;  ///< whole milliseconds are sent
  int shortlist = 0;
  std::vector<arch::Architecture> anchors;
  int anchor_every = 1;  ///< timed runs between two runs of the anchors
};

/// Times of runs in their order, milliseconds; the lists are equally long.
struct RunTimes {
  std::vector<double> encoder_ms, decoder_ms, total_ms;
  std::vector<double> encoder_cpu_ms, decoder_cpu_ms, total_cpu_ms;
  /// Each run cut into equally many pieces, `encoder_pieces` of the encoder and then the decoder's
  /// steps.
  std::vector<std::vector<double>> piece_ms, piece_cpu_ms;
  size_t encoder_pieces = 0;
  size_t size() const { return total_ms.size(); }
};

struct MeasureReply {
  RunTimes runs;
  std::vector<RunTimes> anchors;
  std::vector<int> anchor_after;  ///< timed runs done before the anchors ran, ascending
  std::string isa;
  double build_ms = 0;
  double model_bytes = 0;
  double memory_bytes = 0;
  std::string governor;
  double temperature_c = 0;
  double clock_mhz = 0;
  double energy_j = 0;  ///< all timed runs together; 0 where unreadable
  bool stopped_by_time = false;
};

/// Speaks docs/agent-protocol.md with one agent. Nothing the agent says is believed before it is
/// checked: wrong versions, text that is no JSON, lines without end, times that are negative,
/// absurd or not numbers, lists of unequal length and silence are errors (kIo, kData) that name the
/// device.
class AgentClient {
 public:
  /// Starts the command and waits for its hello.
  AgentClient(const std::vector<std::string>& command, const Device& device);
  ~AgentClient();
  AgentClient(const AgentClient&) = delete;
  AgentClient& operator=(const AgentClient&) = delete;

  const AgentHello& hello() const { return hello_; }
  MeasureReply measure(const MeasureRequest& request);

 private:
  config::Json receive(double timeout_ms, const std::string& waiting_for);
  [[noreturn]] void refuse(const std::string& what) const;

  Device device_;
  std::unique_ptr<Subprocess> process_;
  AgentHello hello_;
  int64_t next_id_ = 1;
};

}  // namespace hat::latency
