#pragma once

#include <functional>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "hat/arch/search_space.h"
#include "hat/latency/agent_client.h"
#include "hat/latency/device.h"
#include "hat/latency/latency_set.h"

namespace hat::latency {

struct MeasureOptions {
  int samples = 50;
  int repetitions = 300;
  /// Standard error at which an architecture is known well enough.
  double precision_percent = 0.5;
  double trim = 0.1;  ///< share of runs dropped at each end, as the original does
  double max_minutes = 0;
  /// Time spent on one architecture at most, unless a dozen runs take longer; twice as much
  /// where the machine is so busy that the error is far from the precision and max_minutes is 0.
  double sample_limit_ms = 2500;
  arch::Workload workload;
  uint64_t seed = 1;
  /// Choose the later architectures where the predictor is least sure, and stop early when it is
  /// good enough. Off: all are drawn by cost alone (for test sets).
  bool active = true;
  /// Ids (arch::architecture_id) of architectures that are not to be measured.
  std::set<std::string> excluded;
  /// A set that this one replaces: its reference time is kept where device, anchor and settings are
  /// the same, so that both are in the same milliseconds.
  const LatencySet* former = nullptr;
};

/// Starts the agent of a device, installing hat-run over ssh where it is missing.
std::unique_ptr<AgentClient> connect(const Device& device);

/// Measures single architectures against two anchors, reconnecting when the connection is lost.
class Measurer {
 public:
  Measurer(const Device& device, const arch::ModelOptions& model_options,
           const MeasureOptions& options, const Anchors& anchors);
  ~Measurer();

  const AgentHello& hello();
  /// The anchors with their quiet times now: CPU times where one thread works.
  Anchors measure_reference();
  /// The reference times that rows get their milliseconds by.
  void set_anchors(const Anchors& anchors) { anchors_ = anchors; }
  /// Ratios and statistics of one architecture.
  LatencyRow measure(const arch::Architecture& architecture);
  void set_sample_limit_ms(double limit_ms) { options_.sample_limit_ms = limit_ms; }

 private:
  struct Collected;
  LatencyRow make_row(const arch::Architecture& architecture, const Collected& all);
  MeasureReply request(const arch::Architecture& architecture,
                       const std::vector<arch::Architecture>& anchors, int repetitions,
                       double limit_ms);
  Device device_;
  arch::ModelOptions model_options_;
  MeasureOptions options_;
  Anchors anchors_;
  std::unique_ptr<AgentClient> agent_;
};

/// What a call of measure_latency did.
struct MeasureSummary {
  int measured = 0;    ///< now
  int rows = 0;        ///< in the set
  double seconds = 0;  ///< now
  double median_error_percent = 0;
  bool stopped_early = false;  ///< the predictor was good enough before `samples`
  bool out_of_time = false;
  /// Spread of the anchor's wall time over the rows: what was divided out.
  double anchor_spread_percent = 0;
};

/// Measures architectures of the space on the device until there are `samples` rows in the journal.
/// Every row is on disk before the next is begun: a kill, a lost connection or a reboot loses the
/// sample in flight at most, and the next call goes on. Throws kConfig when the journal is of
/// another space, precision, workload or machine; kInterrupted on a stop.
MeasureSummary measure_latency(const Device& device, const arch::SearchSpace& space,
                               const MeasureOptions& options, const fs::path& journal);

/// Measures the given architectures and nothing else, in the units of the set (its anchor and
/// reference); for search finalists. The set's journal is not changed.
std::vector<LatencyRow> measure_architectures(const Device& device, const arch::SearchSpace& space,
                                              const MeasureOptions& options, const LatencySet& set,
                                              const std::vector<arch::Architecture>& architectures);

/// Writes a set of others (a CSV) as the device's journal. Throws kUsage when there is one already.
LatencySet import_latency_set(const fs::path& csv, const Device& device, const fs::path& journal);

/// Architectures that cover a space by cost: the smallest and the largest, then one random
/// architecture of each of count - 2 equal strata of decoding FLOPs, in random order.
std::vector<arch::Architecture> stratified_sample(const arch::SearchSpace& space,
                                                  const arch::Workload& workload, int count,
                                                  uint64_t seed);

/// Of `pool` the one whose cost features the rows say least about: the largest leverage in a ridge
/// regression of relative latency (optimal design, Fedorov 1972). Returns its index.
size_t least_known(const std::vector<arch::Architecture>& pool, const LatencySet& set);

}  // namespace hat::latency
