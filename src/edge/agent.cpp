#include "hat/edge/agent.h"

#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <new>
#include <utility>

#include "edge/agent_request.h"
#include "edge/machine_state.h"
#include "hat/base/clock.h"
#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/base/version.h"
#include "hat/edge/bench.h"
#include "hat/edge/isa.h"

namespace hat::edge {
namespace {

using config::Json;
using config::OrderedJson;

constexpr const char* kOrigin = "request";
std::string to_line(const OrderedJson& value) {
  return value.dump(-1, ' ', false, OrderedJson::error_handler_t::replace);
}

const char* kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::kUsage:
      return "usage";
    case ErrorKind::kConfig:
      return "config";
    case ErrorKind::kData:
      return "data";
    case ErrorKind::kIo:
      return "io";
    case ErrorKind::kInfeasible:
      return "infeasible";
    default:
      return "internal";
  }
}

std::string error_line(const OrderedJson& id, const Error& error) {
  return to_line({{"type", "error"},
                  {"id", id},
                  {"kind", kind_name(error.kind())},
                  {"message", error.message()},
                  {"hint", error.hint()}});
}

/// Pieces of one run in a reply: a short line matters more than steps told apart.
constexpr size_t kMostPieces = 32;
constexpr size_t kMostPieceNumbers = 16'000;

double rounded(double ms) { return std::round(ms * 1e4) / 1e4; }

/// The runs of one network as the reply tells them.
class Runs {
 public:
  explicit Runs(int64_t repetitions)
      : most_steps_(std::clamp<size_t>(kMostPieceNumbers / static_cast<size_t>(repetitions), 1,
                                       kMostPieces)) {}

  void add(const Timing& timing) {
    HAT_DCHECK(timing.piece_ms.size() >= timing.encoder_pieces);
    timings_.add(timing);
    encoder_pieces_ = timing.encoder_pieces;
    wall_.push_back(grouped(timing.piece_ms));
    cpu_.push_back(grouped(timing.piece_cpu_ms));
  }

  void write(OrderedJson* out) const {
    (*out)["encoder_ms"] = timings_.encoder_ms;
    (*out)["decoder_ms"] = timings_.decoder_ms;
    (*out)["total_ms"] = timings_.total_ms;
    (*out)["encoder_cpu_ms"] = timings_.encoder_cpu_ms;
    (*out)["decoder_cpu_ms"] = timings_.decoder_cpu_ms;
    (*out)["total_cpu_ms"] = timings_.total_cpu_ms;
    (*out)["encoder_pieces"] = encoder_pieces_;
    (*out)["piece_ms"] = wall_;
    (*out)["piece_cpu_ms"] = cpu_;
  }

 private:
  /// Encoder pieces as they are, neighbouring steps joined.
  std::vector<double> grouped(const std::vector<double>& pieces) const {
    const size_t steps = pieces.size() - encoder_pieces_;
    const size_t groups = std::min(steps, most_steps_);
    std::vector<double> result(encoder_pieces_ + groups);
    for (size_t i = 0; i < pieces.size(); ++i) {
      const size_t at =
          i < encoder_pieces_ ? i : encoder_pieces_ + (i - encoder_pieces_) * groups / steps;
      result[at] += pieces[i];
    }
    for (double& ms : result) ms = rounded(ms);
    return result;
  }

  size_t most_steps_;
  size_t encoder_pieces_ = 1;
  RunTimings timings_;
  std::vector<std::vector<double>> wall_, cpu_;
};

class EdgeNetwork : public AgentNetwork {
 public:
  explicit EdgeNetwork(const AgentSubject& s)
      : runner_(build_random_model(random_model_spec(s.architecture, s.options, s.precision,
                                                     s.workload, s.shortlist),
                                   s.seed),
                s.workload, s.seed, s.threads) {}
  Timing run() override { return runner_.run(); }
  std::string model_id() const override { return runner_.model().id(); }
  double model_bytes() const override { return static_cast<double>(runner_.model().file_bytes()); }

 private:
  WorkloadRunner runner_;
};

class EdgeBackend : public AgentBackend {
 public:
  std::string program() const override { return "hat-run"; }
  std::string isa() const override { return isa_name(active_isa()); }
  std::string machine() const override { return cpu_info().model; }
  void check(const AgentSubject&) const override {}
  std::unique_ptr<AgentNetwork> build(const AgentSubject& subject) override {
    return std::make_unique<EdgeNetwork>(subject);
  }
};

}  // namespace

struct Agent::State {
  struct Anchor {
    std::string key;
    std::unique_ptr<AgentNetwork> network;
  };
  std::unique_ptr<AgentBackend> backend;
  std::vector<Anchor> anchors;  ///< of the last request that had any

  OrderedJson handle(const Json& request, const OrderedJson& id, bool* quit);
  OrderedJson measure(const MeasureCommand& command, const OrderedJson& id);
  void prepare_anchors(const MeasureCommand& command);
};

void Agent::State::prepare_anchors(const MeasureCommand& command) {
  if (command.anchors.empty()) return;
  bool same = anchors.size() == command.anchors.size();
  for (size_t i = 0; same && i < anchors.size(); ++i)
    same = anchors[i].key == command.anchors[i].key();
  if (same) return;
  anchors.clear();
  for (const AgentSubject& subject : command.anchors) {
    anchors.push_back({subject.key(), backend->build(subject)});
    anchors.back().network->run();
  }
}

OrderedJson Agent::State::measure(const MeasureCommand& command, const OrderedJson& id) {
  backend->check(command.subject);
  for (const AgentSubject& anchor : command.anchors) backend->check(anchor);
  const double begin = wall_ms();
  const auto out_of_time = [&] { return wall_ms() - begin > command.time_limit_ms; };

  prepare_anchors(command);
  const double build_begin = wall_ms();
  const auto network = backend->build(command.subject);
  const double build_ms = wall_ms() - build_begin;
  for (int64_t i = 0; i < command.warmup && !out_of_time(); ++i) network->run();

  Runs runs(command.repetitions);
  std::vector<Runs> anchor_runs(command.anchors.size(), Runs(command.repetitions));
  std::vector<int64_t> after;
  const auto run_anchors = [&](int64_t done) {
    if (anchor_runs.empty()) return;
    for (size_t i = 0; i < anchor_runs.size(); ++i) anchor_runs[i].add(anchors[i].network->run());
    after.push_back(done);
  };
  double energy = 0;
  bool energy_known = true;
  int64_t done = 0;
  while (done < command.repetitions && (done == 0 || !out_of_time())) {
    if (done % command.anchor_every == 0) run_anchors(done);
    const auto before = package_energy_j();
    runs.add(network->run());
    const auto now = package_energy_j();
    energy_known = energy_known && before.has_value() && now.has_value();
    if (energy_known) energy += energy_between_j(*before, *now);
    ++done;
  }
  run_anchors(done);

  OrderedJson out = {{"type", "result"},
                     {"id", id},
                     {"model_id", network->model_id()},
                     {"architecture_id", arch::architecture_id(command.subject.architecture)},
                     {"isa", backend->isa()},
                     {"threads", command.subject.threads},
                     {"build_ms", build_ms},
                     {"model_bytes", network->model_bytes()},
                     {"memory_bytes", static_cast<int64_t>(resident_bytes())}};
  runs.write(&out);
  if (!anchor_runs.empty()) out["anchor_after"] = after;
  for (size_t i = 0; i < anchor_runs.size(); ++i) {
    OrderedJson side = {{"model_id", anchors[i].network->model_id()}};
    anchor_runs[i].write(&side);
    out["anchors"].push_back(side);
  }
  out["stopped_by"] = done == command.repetitions ? "repetitions" : "time_limit";
  add_machine_state(out);
  if (energy_known) out["energy_j"] = energy;
  return out;
}

OrderedJson Agent::State::handle(const Json& request, const OrderedJson& id, bool* quit) {
  const std::string type = config::get_string(request, "type", kOrigin);
  if (type == "measure") {
    HAT_CHECK(!id.is_null(), ErrorKind::kConfig, str(kOrigin, ": id: must be an integer"));
    return measure(read_measure(request), id);
  }
  if (type == "ping") {
    OrderedJson out = {{"type", "pong"}, {"id", id}};
    add_machine_state(out);
    return out;
  }
  HAT_CHECK(type == "quit", ErrorKind::kConfig,
            str(kOrigin, ": unknown type '", type.substr(0, 40), "'"), "measure, ping or quit");
  *quit = true;
  return nullptr;
}

std::unique_ptr<AgentBackend> edge_backend() { return std::make_unique<EdgeBackend>(); }

Agent::Agent(std::unique_ptr<AgentBackend> backend) : state_(std::make_unique<State>()) {
  state_->backend = std::move(backend);
}
Agent::~Agent() = default;

std::string Agent::hello() const {
  const CpuInfo& cpu = cpu_info();
  OrderedJson machine = {{"architecture", cpu.architecture},
                         {"model", state_->backend->machine()},
                         {"features", cpu.features()},
                         {"isa", state_->backend->isa()},
                         {"logical_cores", cpu.logical_cores},
                         {"memory_bytes", static_cast<int64_t>(machine_memory_bytes())},
                         {"page_bytes", ::sysconf(_SC_PAGESIZE)}};
  add_machine_state(machine);
  machine["energy"] = package_energy_j().has_value();
  machine.update(state_->backend->facts());
  return to_line({{"type", "hello"},
                  {"protocol", kAgentProtocol},
                  {"program", state_->backend->program()},
                  {"version", version()},
                  {"commit", build_commit()},
                  {"machine", machine}});
}

std::string Agent::answer(std::string_view line) {
  OrderedJson id = nullptr;
  try {
    const Json request = Json::parse(line.begin(), line.end(), nullptr, false);
    HAT_CHECK(request.is_object(), ErrorKind::kData, str(kOrigin, ": not a JSON object"),
              "one JSON object a line; see docs/agent-protocol.md");
    if (request.contains("id") && request["id"].is_number_integer())
      id = request["id"].get<int64_t>();
    const OrderedJson reply = state_->handle(request, id, &quit_);
    return quit_ ? "" : to_line(reply);
  } catch (const Error& error) {
    return error_line(id, error);
  } catch (const std::bad_alloc&) {
    return error_line(id, Error(ErrorKind::kIo, "out of memory", "measure smaller networks"));
  } catch (const std::exception& error) {
    return error_line(id, Error(ErrorKind::kData, str(kOrigin, ": ", error.what())));
  }
}

std::string Agent::too_long() {
  return error_line(nullptr, Error(ErrorKind::kData,
                                   str(kOrigin, ": line longer than ", kMaxLineBytes, " bytes")));
}

}  // namespace hat::edge
