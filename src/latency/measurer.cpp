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
// More at once where they are short: every request costs the building of a network.
constexpr double kFirstRunsMs = 150;
constexpr int kMostFirstRuns = 60;
constexpr int kMostRunsAtOnce = 300;  // a reply is one line of bounded length
constexpr int kLeastRuns = 5;
// A shorter look at a shared machine may fall into one of its busy moments altogether.
constexpr double kLeastMs = 1000;
constexpr int kMostRequests = 4;
// Where the error is this many times the precision at the end of the time, there is more of it.
constexpr double kFarFromPrecision = 2;
constexpr double kPatience = 2;
// Most of the time goes to the network: the anchors are known from all rows together.
constexpr int kAnchorEvery = 4;
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

}  // namespace

/// All requests that were made for one architecture.
struct Measurer::Collected {
  bool cpu = false;
  RunTimes runs, small, large;
  double energy_j = 0;
  MeasureReply last;

  void add(const MeasureReply& reply) {
    const auto same_pieces = [](const RunTimes& a, const RunTimes& b) {
      return a.size() == 0 || a.piece_ms[0].size() == b.piece_ms[0].size();
    };
    HAT_CHECK(same_pieces(runs, reply.runs) && same_pieces(small, reply.anchors[0]) &&
                  same_pieces(large, reply.anchors[1]),
              ErrorKind::kData, "the device cuts equal runs into unequal pieces",
              "use this version's hat-run on the device");
    append(reply.runs, &runs);
    append(reply.anchors[0], &small);
    append(reply.anchors[1], &large);
    energy_j += reply.energy_j;
    last = reply;
  }
};

namespace {

/// How many more of `n` runs bring the standard error to the asked precision; 0 when it is there.
int runs_needed(const QuietTime& quiet, size_t n, double precision_percent) {
  const double error_percent = 100 * quiet.error_ms / quiet.total_ms;
  if (!(error_percent > precision_percent)) return 0;
  const double factor = error_percent / precision_percent;
  return static_cast<int>(std::ceil(std::min(static_cast<double>(n) * (factor * factor - 1), 1e4)));
}

/// A busy machine gets more time, unless the user has said how much there is: there the error is
/// large at the usual limit, and falls with the runs like any other.
double time_limit_ms(const QuietTime& quiet, const MeasureOptions& options) {
  const double error_percent = 100 * quiet.error_ms / quiet.total_ms;
  const bool patient =
      options.max_minutes <= 0 && error_percent > kFarFromPrecision * options.precision_percent;
  return patient ? kPatience * options.sample_limit_ms : options.sample_limit_ms;
}

}  // namespace

std::unique_ptr<AgentClient> connect(const Device& device) {
  const std::vector<std::string> command =
      device.connect == "ssh" ? prepare_ssh(device) : agent_command(device);
  return std::make_unique<AgentClient>(command, device);
}

Measurer::Measurer(const Device& device, const arch::ModelOptions& model_options,
                   const MeasureOptions& options, const Anchors& anchors)
    : device_(device), model_options_(model_options), options_(options), anchors_(anchors) {}

Measurer::~Measurer() = default;

const AgentHello& Measurer::hello() {
  if (!agent_) agent_ = connect(device_);
  return agent_->hello();
}

MeasureReply Measurer::request(const arch::Architecture& architecture,
                               const std::vector<arch::Architecture>& anchors, int repetitions,
                               double limit_ms) {
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
  message.anchors = anchors;
  message.anchor_every = kAnchorEvery;
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

Anchors Measurer::measure_reference() {
  const MeasureReply reply =
      request(anchors_.large, {anchors_.small}, kReferenceRuns, kReferenceLimitMs);
  const bool cpu = use_cpu_time(device_, reply);
  Anchors quiet = anchors_;
  quiet.small_ms = quiet_time(reply.anchors[0], cpu).total_ms;
  quiet.large_ms = quiet_time(reply.runs, cpu).total_ms;
  HAT_CHECK(quiet.small_ms > 0 && quiet.large_ms > 0, ErrorKind::kData,
            str("device '", device_.name, "': its times are zero"),
            "its clock is too coarse: use larger networks or longer sentences");
  return quiet;
}

LatencyRow Measurer::measure(const arch::Architecture& architecture) {
  const double begin_ms = wall_ms();
  const std::vector<arch::Architecture> anchors = {anchors_.small, anchors_.large};
  // Anchors and the network, which takes as long as the larger of them or so.
  const double block_ms = anchors_.small_ms + (1 + kAnchorEvery) * anchors_.large_ms;
  const double fitting = block_ms > 0 ? kAnchorEvery * kFirstRunsMs / block_ms : 0;
  const int first =
      std::min(static_cast<int>(std::clamp<double>(fitting, kFirstRuns, kMostFirstRuns)),
               options_.repetitions);
  MeasureReply reply = request(architecture, anchors, first, options_.sample_limit_ms);
  Collected all;
  all.cpu = use_cpu_time(device_, reply);
  all.add(reply);
  for (int requests = 1; requests < kMostRequests; ++requests) {
    throw_if_stopped();
    const int done = static_cast<int>(all.runs.size());
    const QuietTime quiet = quiet_time(all.runs, all.cpu);
    const double run_ms = mean(all.runs.total_ms) +
                          (mean(all.small.total_ms) + mean(all.large.total_ms)) / kAnchorEvery;
    const double spent_ms = wall_ms() - begin_ms;
    const double left_ms = time_limit_ms(quiet, options_) - spent_ms - reply.build_ms;
    const int wanted_for_time = static_cast<int>(std::max(kLeastMs - spent_ms, 0.0) / run_ms);
    int wanted = std::max({runs_needed(quiet, all.runs.size(), options_.precision_percent),
                           wanted_for_time, kLeastRuns - done});
    wanted = std::min({wanted, options_.repetitions - done, kMostRunsAtOnce});
    // Some runs are made whatever they take; more only while there is time.
    const int affordable =
        std::max(static_cast<int>(std::max(left_ms, 0.0) / run_ms), kLeastRuns - done);
    wanted = std::min(wanted, affordable);
    if (wanted < 1) break;
    const double limit_ms = reply.build_ms + (wanted + 5) * 2 * run_ms + 500;
    reply = request(architecture, anchors, wanted, limit_ms);
    all.add(reply);
  }
  return make_row(architecture, all);
}

LatencyRow Measurer::make_row(const arch::Architecture& architecture, const Collected& all) {
  LatencyRow row;
  row.architecture = architecture;
  row.totals = arch::layer_totals(architecture);
  const QuietTime quiet = quiet_time(all.runs, all.cpu);
  row.quiet_ms = row.total_ms = quiet.total_ms;
  row.quiet_encoder_ms = row.encoder_ms = quiet.encoder_ms;
  row.decoder_ms = row.total_ms - row.encoder_ms;
  row.error_percent = 100 * quiet.error_ms / quiet.total_ms;
  row.small_anchor_ms = quiet_time(all.small, all.cpu).total_ms;
  row.large_anchor_ms = quiet_time(all.large, all.cpu).total_ms;
  HAT_CHECK(row.quiet_ms > 0 && row.small_anchor_ms > 0 && row.large_anchor_ms > 0,
            ErrorKind::kData, str("device '", device_.name, "': its times are zero"),
            "its clock is too coarse: use larger networks or longer sentences");
  row.wall_total = summarise(all.runs.total_ms, options_.trim);
  row.wall_encoder = summarise(all.runs.encoder_ms, options_.trim);
  row.wall_decoder = summarise(all.runs.decoder_ms, options_.trim);
  row.cpu_total = summarise(all.runs.total_cpu_ms, options_.trim);
  row.anchor_wall_ms = trimmed_mean(all.large.total_ms, options_.trim);
  row.anchor_cpu_ms = trimmed_mean(all.large.total_cpu_ms, options_.trim);
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
               {"basis", all.cpu ? "quiet cpu time" : "quiet wall time"}};
  return row;
}

}  // namespace hat::latency
