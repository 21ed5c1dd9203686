#include "hat/edge/agent.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <new>

#include "edge/machine_state.h"
#include "hat/arch/cost.h"
#include "hat/arch/search_space.h"
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
// One run cannot be interrupted, so a request for hours of work is refused.
constexpr double kMaxRunFlops = 1e13;

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

void check_keys(const Json& object, const std::vector<std::string>& known,
                const std::string& origin) {
  for (const auto& [key, value] : object.items()) {
    HAT_CHECK(std::find(known.begin(), known.end(), key) != known.end(), ErrorKind::kConfig,
              str(origin, ": unknown key '", key, "'.", did_you_mean(key, known)),
              "docs/agent-protocol.md lists the keys");
  }
}

int64_t integer(const Json& object, const char* key, int64_t fallback, int64_t low, int64_t high) {
  const int64_t value = object.contains(key) ? config::get_int(object, key, kOrigin) : fallback;
  HAT_CHECK(value >= low && value <= high, ErrorKind::kConfig,
            str(kOrigin, ": ", key, ": must be ", low, " to ", high, " (got ", value, ")"));
  return value;
}

/// A network to be built and how it is run.
struct Subject {
  arch::Architecture architecture;
  arch::ModelOptions options;
  arch::Precision precision = arch::Precision::kInt8;
  arch::Workload workload;
  uint64_t seed = 1;
  int threads = 1;
  int shortlist = 0;

  std::string key() const {
    return str(arch::canonical_text(architecture), "|", to_json(options).dump(), "|",
               arch::precision_name(precision), "|", to_json(workload).dump(), "|", seed, "|",
               threads, "|", shortlist);
  }
};

double needed_bytes(const Subject& s) {
  const auto& w = s.workload;
  const double width = std::max(s.architecture.encoder_embed_dim, s.architecture.decoder_embed_dim);
  double channels = 0;
  for (const auto& layer : s.architecture.decoder) channels += layer.self_qkv_dim;
  const double caches = 8.0 * w.batch * w.beam * w.target_length * channels;
  const double table = 4.0 * width * std::max(w.vocabulary.source, w.vocabulary.target);
  return arch::model_bytes(s.architecture, s.options, w.vocabulary, s.precision) + 2 * table +
         caches;
}

void check_size(const Subject& s) {
  const double needed = needed_bytes(s);
  HAT_CHECK(needed < machine_memory_bytes() / 2, ErrorKind::kConfig,
            str(kOrigin, ": the network needs about ", format_bytes(needed),
                ", more than half of this machine's ", format_bytes(machine_memory_bytes())),
            "measure smaller networks, or int8 or int4");
  const double flops = arch::flops_decoding(s.architecture, s.workload);
  HAT_CHECK(flops < kMaxRunFlops, ErrorKind::kConfig,
            str(kOrigin, ": one run needs ", format_count(flops), " operations, more than ",
                format_count(kMaxRunFlops)),
            "use a smaller batch or shorter sentences");
}

arch::ModelOptions read_options(const Json& object) {
  if (!object.contains("options")) return {};
  return arch::model_options_from_json(object["options"], str(kOrigin, ": options"));
}

arch::Architecture read_architecture(const Json& object, const std::string& origin) {
  auto architecture = arch::architecture_from_json(
      config::get_member(object, "architecture", origin), origin + ": architecture");
  HAT_CHECK(architecture.family == arch::Family::kSeq2Seq, ErrorKind::kConfig,
            origin + ": architecture: only family seq2seq can be measured");
  return architecture;
}

Subject read_subject(const Json& request) {
  Subject s;
  s.architecture = read_architecture(request, kOrigin);
  s.options = read_options(request);
  if (request.contains("precision"))
    s.precision = arch::parse_precision(config::get_string(request, "precision", kOrigin));
  s.workload = arch::workload_from_json(config::get_member(request, "workload", kOrigin),
                                        str(kOrigin, ": workload"));
  const auto& w = s.workload;
  HAT_CHECK(w.batch <= 256 && w.source_length <= 1024 && w.target_length <= 1024 &&
                std::max(w.vocabulary.source, w.vocabulary.target) <= 1'000'000,
            ErrorKind::kConfig, str(kOrigin, ": workload: beyond the agent's bounds"),
            "batch 256, lengths 1024, vocabulary 1,000,000");
  if (s.options.embeddings == arch::ModelOptions::Embeddings::kShared)
    HAT_CHECK(w.vocabulary.source == w.vocabulary.target, ErrorKind::kConfig,
              str(kOrigin, ": workload: shared embeddings need one vocabulary size"),
              "make both equal, or ask for embeddings \"decoder\" or \"separate\"");
  s.seed = static_cast<uint64_t>(integer(request, "seed", 1, 0, int64_t{1} << 53));
  s.threads = static_cast<int>(integer(request, "threads", 1, 1, 256));
  s.shortlist = static_cast<int>(integer(request, "shortlist", 0, 0, w.vocabulary.target));
  HAT_CHECK(s.shortlist == 0 || s.shortlist >= 4, ErrorKind::kConfig,
            str(kOrigin, ": shortlist: must be 0 or at least 4"));
  check_size(s);
  return s;
}

std::unique_ptr<WorkloadRunner> build(const Subject& s) {
  const ModelSpec spec =
      random_model_spec(s.architecture, s.options, s.precision, s.workload, s.shortlist);
  return std::make_unique<WorkloadRunner>(build_random_model(spec, s.seed), s.workload, s.seed,
                                          s.threads);
}

void add_timings(OrderedJson& out, const RunTimings& t) {
  out["encoder_ms"] = t.encoder_ms;
  out["decoder_ms"] = t.decoder_ms;
  out["total_ms"] = t.total_ms;
  out["encoder_cpu_ms"] = t.encoder_cpu_ms;
  out["decoder_cpu_ms"] = t.decoder_cpu_ms;
  out["total_cpu_ms"] = t.total_cpu_ms;
}

}  // namespace

struct Agent::State {
  std::string anchor_key;
  std::unique_ptr<WorkloadRunner> anchor;

  OrderedJson handle(const Json& request, const OrderedJson& id, bool* quit);
  OrderedJson measure(const Json& request, const OrderedJson& id);
  WorkloadRunner* find_anchor(const Json& request, const Subject& subject, int* every);
};

WorkloadRunner* Agent::State::find_anchor(const Json& request, const Subject& subject, int* every) {
  if (!request.contains("anchor")) return nullptr;
  const Json& object = request["anchor"];
  HAT_CHECK(object.is_object(), ErrorKind::kConfig, str(kOrigin, ": anchor: must be an object"));
  check_keys(object, {"architecture", "options", "every"}, str(kOrigin, ": anchor"));
  *every = static_cast<int>(integer(object, "every", 1, 1, 10'000));
  Subject wanted = subject;
  wanted.architecture = read_architecture(object, str(kOrigin, ": anchor"));
  wanted.options = read_options(object);
  check_size(wanted);
  if (anchor == nullptr || anchor_key != wanted.key()) {
    anchor.reset();
    anchor = build(wanted);
    anchor_key = wanted.key();
    anchor->run();
  }
  return anchor.get();
}

OrderedJson Agent::State::measure(const Json& request, const OrderedJson& id) {
  check_keys(request,
             {"type", "id", "architecture", "options", "precision", "workload", "seed", "threads",
              "warmup", "repetitions", "time_limit_ms", "shortlist", "anchor"},
             kOrigin);
  const Subject subject = read_subject(request);
  const auto warmup = integer(request, "warmup", 3, 0, 1000);
  const auto repetitions = integer(request, "repetitions", 30, 1, 10'000);
  const auto limit_ms = static_cast<double>(integer(request, "time_limit_ms", 10'000, 1, 600'000));
  const double begin = wall_ms();
  const auto out_of_time = [&] { return wall_ms() - begin > limit_ms; };

  int every = 1;
  WorkloadRunner* reference = find_anchor(request, subject, &every);
  const double build_begin = wall_ms();
  const auto runner = build(subject);
  const double build_ms = wall_ms() - build_begin;
  for (int64_t i = 0; i < warmup && !out_of_time(); ++i) runner->run();

  RunTimings timings, anchor_timings;
  std::vector<int64_t> after;
  const auto run_anchor = [&](int64_t done) {
    if (reference == nullptr) return;
    anchor_timings.add(reference->run());
    after.push_back(done);
  };
  double energy = 0;
  bool energy_known = true;
  int64_t done = 0;
  while (done < repetitions && (done == 0 || !out_of_time())) {
    if (done % every == 0) run_anchor(done);
    const auto before = package_energy_j();
    timings.add(runner->run());
    const auto now = package_energy_j();
    energy_known = energy_known && before.has_value() && now.has_value();
    if (energy_known) energy += energy_between_j(*before, *now);
    ++done;
  }
  run_anchor(done);

  OrderedJson out = {{"type", "result"},
                     {"id", id},
                     {"model_id", runner->model().id()},
                     {"architecture_id", arch::architecture_id(subject.architecture)},
                     {"isa", isa_name(active_isa())},
                     {"threads", subject.threads},
                     {"build_ms", build_ms},
                     {"model_bytes", runner->model().file_bytes()},
                     {"memory_bytes", static_cast<int64_t>(resident_bytes())}};
  add_timings(out, timings);
  if (reference != nullptr) {
    OrderedJson side = {{"model_id", reference->model().id()}, {"after", after}};
    add_timings(side, anchor_timings);
    out["anchor"] = side;
  }
  out["stopped_by"] = done == repetitions ? "repetitions" : "time_limit";
  add_machine_state(out);
  if (energy_known) out["energy_j"] = energy;
  return out;
}

OrderedJson Agent::State::handle(const Json& request, const OrderedJson& id, bool* quit) {
  const std::string type = config::get_string(request, "type", kOrigin);
  if (type == "measure") {
    HAT_CHECK(!id.is_null(), ErrorKind::kConfig, str(kOrigin, ": id: must be an integer"));
    return measure(request, id);
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

Agent::Agent() : state_(std::make_unique<State>()) {}
Agent::~Agent() = default;

std::string Agent::hello() const {
  const CpuInfo& cpu = cpu_info();
  OrderedJson machine = {{"architecture", cpu.architecture},
                         {"model", cpu.model},
                         {"features", cpu.features()},
                         {"isa", isa_name(active_isa())},
                         {"logical_cores", cpu.logical_cores},
                         {"memory_bytes", static_cast<int64_t>(machine_memory_bytes())},
                         {"page_bytes", ::sysconf(_SC_PAGESIZE)}};
  add_machine_state(machine);
  machine["energy"] = package_energy_j().has_value();
  return to_line({{"type", "hello"},
                  {"protocol", kAgentProtocol},
                  {"program", "hat-run"},
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

void run_agent(int input, int output) {
  Agent agent;
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
