#include "hat/latency/agent_client.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "latency/connection.h"

namespace hat::latency {
namespace {

using config::Json;
using config::OrderedJson;

constexpr int kProtocol = 2;
constexpr size_t kMaxLineBytes = size_t{1} << 20;
constexpr double kMaxMs = 1e7;
constexpr double kLongestQuit_ms = 2000;
constexpr size_t kMostPieces = 64;

/// The start of something a device sent, safe to print.
std::string printable(const std::string& text) {
  std::string shown;
  for (const char c : text.substr(0, 80)) {
    shown += c >= 32 && c < 127 ? c : '?';
  }
  return text.size() > 80 ? shown + "..." : shown;
}

std::string text_or(const Json& object, const char* key) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_string()) return "";
  return printable(found->get<std::string>());
}

/// A reading that may be missing or null; false when it is there and impossible.
bool read_amount(const Json& object, const char* key, double limit, double* value) {
  const auto found = object.find(key);
  if (found == object.end() || found->is_null()) return true;
  if (!found->is_number()) return false;
  *value = found->get<double>();
  return std::isfinite(*value) && *value >= 0 && *value <= limit;
}

/// Empty when the list is sound, else what is wrong with it.
std::string read_times(const Json& object, const char* key, size_t most,
                       std::vector<double>* times) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array()) return str("'", key, "' is no list");
  if (found->empty() || found->size() > most) {
    return str("'", key, "' has ", found->size(), " entries, 1 to ", most, " were asked for");
  }
  for (const Json& item : *found) {
    const double value = item.is_number() ? item.get<double>() : -1;
    if (!std::isfinite(value) || value < 0 || value > kMaxMs) {
      return str("'", key, "' holds ", printable(item.dump()), ", which is no time");
    }
    times->push_back(value);
  }
  return "";
}

/// One list of times for each run, all equally long, that add up to the run's total.
std::string read_piece_lists(const Json& object, const char* key,
                             const std::vector<double>& totals_ms,
                             std::vector<std::vector<double>>* pieces) {
  const auto found = object.find(key);
  if (found == object.end() || !found->is_array() || found->size() != totals_ms.size()) {
    return str("'", key, "' is not one list a run");
  }
  for (size_t i = 0; i < totals_ms.size(); ++i) {
    std::vector<double> times;
    const std::string wrong = read_times({{key, (*found)[i]}}, key, kMostPieces, &times);
    if (!wrong.empty()) return wrong;
    const double sum = std::accumulate(times.begin(), times.end(), 0.0);
    if (std::abs(sum - totals_ms[i]) > 0.02 * totals_ms[i] + 0.02) {
      return str("'", key, "' adds up to ", sum, " ms for a run of ", totals_ms[i], " ms");
    }
    pieces->push_back(std::move(times));
    if (pieces->back().size() != pieces->front().size()) {
      return str("'", key, "' has lists of unequal length");
    }
  }
  return "";
}

std::string read_pieces(const Json& object, RunTimes* runs) {
  std::string wrong = read_piece_lists(object, "piece_ms", runs->total_ms, &runs->piece_ms);
  if (wrong.empty()) {
    wrong = read_piece_lists(object, "piece_cpu_ms", runs->total_cpu_ms, &runs->piece_cpu_ms);
  }
  if (!wrong.empty()) return wrong;
  const Json& encoder = object.value("encoder_pieces", Json());
  const size_t pieces = runs->piece_ms.front().size();
  if (!encoder.is_number_integer() || encoder < 1 || encoder > pieces ||
      runs->piece_cpu_ms.front().size() != pieces) {
    return "its pieces do not fit together";
  }
  runs->encoder_pieces = encoder.get<size_t>();
  return "";
}

std::string read_runs(const Json& object, size_t most, RunTimes* runs) {
  const std::array<std::pair<const char*, std::vector<double>*>, 6> lists = {
      {{"encoder_ms", &runs->encoder_ms},
       {"decoder_ms", &runs->decoder_ms},
       {"total_ms", &runs->total_ms},
       {"encoder_cpu_ms", &runs->encoder_cpu_ms},
       {"decoder_cpu_ms", &runs->decoder_cpu_ms},
       {"total_cpu_ms", &runs->total_cpu_ms}}};
  for (const auto& [key, list] : lists) {
    const std::string wrong = read_times(object, key, most, list);
    if (!wrong.empty()) return wrong;
    if (list->size() != runs->encoder_ms.size()) return "the lists of times differ in length";
  }
  for (const double total : runs->total_ms) {
    if (!(total > 0)) return "'total_ms' holds a zero";
  }
  return read_pieces(object, runs);
}

std::string read_anchors(const Json& json, const MeasureRequest& request, MeasureReply* reply) {
  if (request.anchors.empty()) return "";
  const size_t most = static_cast<size_t>(request.repetitions) + 2;
  const auto anchors = json.find("anchors");
  if (anchors == json.end() || !anchors->is_array() || anchors->size() != request.anchors.size()) {
    return "the anchors' times are missing";
  }
  std::vector<double> after;
  std::string wrong = read_times(json, "anchor_after", most, &after);
  if (!wrong.empty()) return wrong;
  for (const Json& anchor : *anchors) {
    RunTimes& runs = reply->anchors.emplace_back();
    wrong = anchor.is_object() ? read_runs(anchor, most, &runs) : "an anchor's times are missing";
    if (!wrong.empty()) return wrong;
    if (runs.size() != after.size()) return "the anchors' places are impossible";
  }
  if (!std::is_sorted(after.begin(), after.end()) ||
      after.back() > static_cast<double>(reply->runs.size())) {
    return "the anchors' places are impossible";
  }
  for (const double place : after) reply->anchor_after.push_back(static_cast<int>(place));
  return "";
}

}  // namespace

AgentClient::AgentClient(const std::vector<std::string>& command, const Device& device)
    : device_(device) {
  process_ = std::make_unique<Subprocess>(command, Subprocess::Options{.capture_stderr = true});
  const Json hello = receive(1000 * device.connect_timeout_s, "its hello");
  if (hello.value("type", Json()) != "hello") refuse("its first line is no hello");
  const auto protocol = hello.find("protocol");
  if (protocol == hello.end() || *protocol != kProtocol) {
    refuse(str("it speaks protocol ", protocol == hello.end() ? "?" : printable(protocol->dump()),
               ", this hat speaks ", kProtocol));
  }
  hello_.program = text_or(hello, "program");
  hello_.version = text_or(hello, "version");
  hello_.commit = text_or(hello, "commit");
  const auto machine = hello.find("machine");
  if (machine == hello.end() || !machine->is_object()) refuse("its hello names no machine");
  hello_.machine = text_or(*machine, "model");
  hello_.cpu_arch = text_or(*machine, "architecture");
  hello_.isa = text_or(*machine, "isa");
  hello_.runtime = text_or(*machine, "runtime");
  hello_.governor = text_or(*machine, "governor");
  double cores = 0;
  const bool sound = read_amount(*machine, "logical_cores", 1e6, &cores) &&
                     read_amount(*machine, "memory_bytes", 1e16, &hello_.memory_bytes) &&
                     read_amount(*machine, "temperature_c", 1000, &hello_.temperature_c) &&
                     read_amount(*machine, "clock_mhz", 1e6, &hello_.clock_mhz);
  if (!sound) refuse("its hello holds impossible numbers");
  hello_.logical_cores = static_cast<int>(cores);
  hello_.energy = machine->value("energy", Json()) == true;
}

AgentClient::~AgentClient() {
  try {
    process_->write_line(R"({"type":"quit"})", kLongestQuit_ms);
    process_->close_stdin();
    process_->wait(kLongestQuit_ms);
  } catch (const Error&) {
    // It has gone already; the process is reaped by its own destructor.
  }
}

void AgentClient::refuse(const std::string& what) const {
  fail(ErrorKind::kData, str("device '", device_.name, "': ", what),
       "the program at the other end has to be this version's 'hat-run agent', with nothing else "
       "printing on its output (a shell profile that prints text, for example)");
}

Json AgentClient::receive(double timeout_ms, const std::string& waiting_for) {
  std::string line;
  switch (process_->read_line(&line, timeout_ms, kMaxLineBytes)) {
    case Subprocess::ReadStatus::kLine:
      break;
    case Subprocess::ReadStatus::kTimeout:
      process_->kill();
      fail(ErrorKind::kIo,
           str("device '", device_.name, "' did not send ", waiting_for, " within ",
               format_duration_ms(timeout_ms)),
           "see whether the device still answers; connect_timeout_s and reply_timeout_s of its "
           "definition set how long hat waits");
    case Subprocess::ReadStatus::kTooLong:
      process_->kill();
      refuse("it sends a line without end");
    case Subprocess::ReadStatus::kClosed: {
      const int code = process_->wait(kLongestQuit_ms);
      const std::string said = printable(std::string(trim(process_->captured_stderr())));
      fail_connection(device_, code, process_->captured_stderr(),
                      str("the connection ended while waiting for ", waiting_for,
                          said.empty() ? "" : " (it said: " + said + ")"));
    }
  }
  Json json;
  try {
    json = config::parse_json(line, "reply");
  } catch (const Error&) {
    refuse(str("it sent something that is not the protocol: '", printable(line), "'"));
  }
  if (!json.is_object()) {
    refuse(str("it sent something that is not the protocol: '", printable(line), "'"));
  }
  return json;
}

MeasureReply AgentClient::measure(const MeasureRequest& request) {
  const int64_t id = next_id_++;
  OrderedJson message = {{"type", "measure"},
                         {"id", id},
                         {"architecture", arch::to_json(request.architecture)},
                         {"options", arch::to_json(request.options)},
                         {"precision", request.precision},
                         {"workload", arch::to_json(request.workload)},
                         {"seed", request.seed},
                         {"threads", request.threads},
                         {"warmup", request.warmup},
                         {"repetitions", request.repetitions},
                         {"time_limit_ms", static_cast<int64_t>(request.time_limit_ms)},
                         {"shortlist", request.shortlist}};
  if (!request.anchors.empty()) message["anchor_every"] = request.anchor_every;
  for (const arch::Architecture& anchor : request.anchors) {
    message["anchors"].push_back(
        {{"architecture", arch::to_json(anchor)}, {"options", arch::to_json(request.options)}});
  }
  const double timeout_ms = request.time_limit_ms + 1000 * device_.reply_timeout_s;
  try {
    process_->write_line(message.dump(), timeout_ms);
  } catch (const Error&) {
    fail_connection(device_, process_->wait(kLongestQuit_ms), process_->captured_stderr(),
                    "the connection ended while sending a request");
  }
  const Json json = receive(timeout_ms, "a result");
  if (json.value("type", Json()) == "error") {
    fail(ErrorKind::kData, str("device '", device_.name, "' refuses: ", text_or(json, "message")),
         text_or(json, "hint"));
  }
  if (json.value("type", Json()) != "result" || json.value("id", Json()) != id) {
    refuse("it answered something else than what was asked");
  }
  MeasureReply reply;
  const size_t most = static_cast<size_t>(request.repetitions);
  std::string wrong = read_runs(json, most, &reply.runs);
  if (wrong.empty()) wrong = read_anchors(json, request, &reply);
  const bool sound = read_amount(json, "build_ms", kMaxMs, &reply.build_ms) &&
                     read_amount(json, "model_bytes", 1e15, &reply.model_bytes) &&
                     read_amount(json, "memory_bytes", 1e15, &reply.memory_bytes) &&
                     read_amount(json, "temperature_c", 1000, &reply.temperature_c) &&
                     read_amount(json, "clock_mhz", 1e6, &reply.clock_mhz) &&
                     read_amount(json, "energy_j", 1e9, &reply.energy_j);
  if (wrong.empty() && !sound) wrong = "the result holds impossible numbers";
  if (!wrong.empty()) refuse(wrong);
  reply.isa = text_or(json, "isa");
  reply.governor = text_or(json, "governor");
  reply.stopped_by_time = json.value("stopped_by", Json()) == "time_limit";
  return reply;
}

}  // namespace hat::latency
