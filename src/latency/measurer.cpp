#include <algorithm>
#include <cmath>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/log.h"
#include "hat/base/stats.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/latency/measure.h"
#include "latency/connection.h"
#include "latency/estimate.h"

namespace hat::latency {
namespace {

constexpr int kConnectAttempts = 3;
constexpr int kFirstRuns = 8;
constexpr int kLeastRuns = 5;
constexpr int kMostRequests = 4;
constexpr int kReferenceRuns = 40;
constexpr double kReferenceLimitMs = 4000;
constexpr double kLongestRequestMs = 600'000;  // the protocol's bound

/// CPU time tells what one thread did whatever else ran; of several it counts waiting for each
/// other.
bool use_cpu_time(const Device& device, const MeasureReply& reply) {
  const std::vector<double>& cpu = reply.runs.total_cpu_ms;
  return device.threads == 1 && device.backend != "cuda" &&
         std::all_of(cpu.begin(), cpu.end(), [](double ms) { return ms > 0; });
}

/// All requests that were made for one architecture.
struct Collected {
  RunTimes runs;
  Ratios ratios;
  std::vector<double> anchor_wall, anchor_cpu;
  double energy_j = 0;
  MeasureReply last;

  void add(const MeasureReply& reply, bool cpu) {
    append(reply.runs, &runs);
    const Ratios more = anchor_ratios(reply, cpu);
    ratios.total.insert(ratios.total.end(), more.total.begin(), more.total.end());
    ratios.encoder.insert(ratios.encoder.end(), more.encoder.begin(), more.encoder.end());
    ratios.decoder.insert(ratios.decoder.end(), more.decoder.begin(), more.decoder.end());
    anchor_wall.insert(anchor_wall.end(), reply.anchor.total_ms.begin(),
                       reply.anchor.total_ms.end());
    anchor_cpu.insert(anchor_cpu.end(), reply.anchor.total_cpu_ms.begin(),
                      reply.anchor.total_cpu_ms.end());
    energy_j += reply.energy_j;
    last = reply;
  }
};

/// How many more runs bring the standard error to the asked precision; 0 when it is there.
int runs_needed(const Ratios& ratios, double trim, double precision_percent) {
  const Estimate estimate = trimmed_estimate(ratios.total, trim);
  const double error_percent = 100 * estimate.standard_error / estimate.mean;
  if (error_percent <= precision_percent) return 0;
  const double n = static_cast<double>(ratios.total.size());
  const double factor = error_percent / precision_percent;
  return static_cast<int>(std::ceil(std::min(n * (factor * factor - 1), 1e4)));
}

}  // namespace

std::unique_ptr<AgentClient> connect(const Device& device) {
  const std::vector<std::string> command =
      device.connect == "ssh" ? prepare_ssh(device) : agent_command(device);
  return std::make_unique<AgentClient>(command, device);
}

Measurer::Measurer(const Device& device, const arch::ModelOptions& model_options,
                   const MeasureOptions& options, const arch::Architecture& anchor)
    : device_(device), model_options_(model_options), options_(options), anchor_(anchor) {}

Measurer::~Measurer() = default;

const AgentHello& Measurer::hello() {
  if (!agent_) agent_ = connect(device_);
  return agent_->hello();
}

MeasureReply Measurer::request(const arch::Architecture& architecture, int repetitions,
                               double limit_ms, bool with_anchor) {
  MeasureRequest message;
  message.architecture = architecture;
  message.options = model_options_;
  message.precision = device_.precision;
  message.workload = options_.workload;
  message.seed = options_.seed;
  message.threads = device_.threads;
  message.repetitions = repetitions;
  message.time_limit_ms = std::clamp(limit_ms, 100.0, kLongestRequestMs);
  message.shortlist = device_.shortlist;
  if (with_anchor) message.anchor = anchor_;
  for (int attempt = 1;; ++attempt) {
    try {
      if (!agent_) agent_ = connect(device_);
      return agent_->measure(message);
    } catch (const Error& error) {
      // A device that talks nonsense is not asked again; one that was cut off is.
      agent_.reset();
      if (error.kind() != ErrorKind::kIo || attempt >= kConnectAttempts || stop_requested()) throw;
      log_warning("latency", str(error.message(), "; connecting again"));
    }
  }
}

double Measurer::measure_reference_ms() {
  const MeasureReply reply = request(anchor_, kReferenceRuns, kReferenceLimitMs, false);
  return quantile(use_cpu_time(device_, reply) ? reply.runs.total_cpu_ms : reply.runs.total_ms,
                  0.25);
}

LatencyRow Measurer::measure(const arch::Architecture& architecture, double reference_ms) {
  const double begin_ms = wall_ms();
  Collected all;
  const int first = std::min(kFirstRuns, options_.repetitions);
  MeasureReply reply = request(architecture, first, options_.sample_limit_ms, true);
  const bool cpu = use_cpu_time(device_, reply);
  all.add(reply, cpu);
  for (int requests = 1; requests < kMostRequests; ++requests) {
    throw_if_stopped();
    const int done = static_cast<int>(all.runs.size());
    const double pair_ms = mean(all.runs.total_ms) + mean(all.anchor_wall);
    const double left_ms = options_.sample_limit_ms - (wall_ms() - begin_ms) - reply.build_ms;
    int wanted = std::max(runs_needed(all.ratios, options_.trim, options_.precision_percent),
                          kLeastRuns - done);
    wanted = std::min(wanted, options_.repetitions - done);
    // Five runs are made whatever they take; more only while there is time.
    const int affordable =
        std::max(static_cast<int>(std::max(left_ms, 0.0) / pair_ms), kLeastRuns - done);
    wanted = std::min(wanted, affordable);
    if (wanted < 1) break;
    const double limit_ms = reply.build_ms + (wanted + 5) * 2 * pair_ms + 500;
    reply = request(architecture, wanted, limit_ms, true);
    all.add(reply, cpu);
  }
  HAT_CHECK(!all.ratios.total.empty(), ErrorKind::kData,
            str("device '", device_.name, "': no run has an anchor run beside it"),
            "use this version's hat-run on the device");

  LatencyRow row;
  row.architecture = architecture;
  row.totals = arch::layer_totals(architecture);
  const Estimate total = trimmed_estimate(all.ratios.total, options_.trim);
  row.total_ratio = total.mean;
  row.error_percent = 100 * total.standard_error / total.mean;
  row.encoder_ratio = trimmed_estimate(all.ratios.encoder, options_.trim).mean;
  row.decoder_ratio = trimmed_estimate(all.ratios.decoder, options_.trim).mean;
  row.total_ms = row.total_ratio * reference_ms;
  row.encoder_ms = row.encoder_ratio * reference_ms;
  row.decoder_ms = row.decoder_ratio * reference_ms;
  row.wall_total = summarise(all.runs.total_ms, options_.trim);
  row.wall_encoder = summarise(all.runs.encoder_ms, options_.trim);
  row.wall_decoder = summarise(all.runs.decoder_ms, options_.trim);
  row.cpu_total = summarise(all.runs.total_cpu_ms, options_.trim);
  row.anchor_wall_ms = trimmed_mean(all.anchor_wall, options_.trim);
  row.anchor_cpu_ms = trimmed_mean(all.anchor_cpu, options_.trim);
  row.repetitions = static_cast<int>(all.runs.size());
  row.memory_mb = all.last.memory_bytes / 1e6;
  row.model_mb = all.last.model_bytes / 1e6;
  row.energy_j = all.energy_j / static_cast<double>(all.runs.size());
  row.temperature_c = all.last.temperature_c;
  row.clock_mhz = all.last.clock_mhz;
  row.time = utc_timestamp();
  const AgentHello& machine = hello();
  row.facts = {{"machine", machine.machine},
               {"isa", all.last.isa},
               {"threads", std::to_string(device_.threads)},
               {"precision", device_.precision},
               {"engine", device_.engine},
               {"version", str(machine.version, " ", machine.commit)},
               {"governor", all.last.governor},
               {"basis", cpu ? "cpu time over anchor" : "wall time over anchor"}};
  return row;
}

}  // namespace hat::latency
