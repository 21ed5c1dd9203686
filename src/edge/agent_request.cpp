#include "edge/agent_request.h"

#include <algorithm>

#include "edge/machine_state.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::edge {
namespace {

using config::Json;

constexpr const char* kOrigin = "request";
// One run cannot be interrupted, so a request for hours of work is refused.
constexpr double kMaxRunFlops = 1e13;
constexpr size_t kMostAnchors = 4;

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

double needed_bytes(const AgentSubject& s) {
  const auto& w = s.workload;
  const double width = std::max(s.architecture.encoder_embed_dim, s.architecture.decoder_embed_dim);
  double channels = 0;
  for (const auto& layer : s.architecture.decoder) channels += layer.self_qkv_dim;
  const double caches = 8.0 * w.batch * w.beam * w.longest().target * channels;
  const double table = 4.0 * width * std::max(w.vocabulary.source, w.vocabulary.target);
  return arch::model_bytes(s.architecture, s.options, w.vocabulary, s.precision) + 2 * table +
         caches;
}

void check_size(const AgentSubject& s) {
  const double needed = needed_bytes(s);
  HAT_CHECK(needed < machine_memory_bytes() / 2, ErrorKind::kConfig,
            str(kOrigin, ": the network needs about ", format_bytes(needed),
                ", more than half of this machine's ", format_bytes(machine_memory_bytes())),
            "measure smaller networks, or int8 or int4");
  const double flops = arch::flops_decoding(s.architecture, s.workload) *
                       static_cast<double>(s.workload.sentence_lengths().size());
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

AgentSubject read_subject(const Json& request) {
  AgentSubject s;
  s.architecture = read_architecture(request, kOrigin);
  s.options = read_options(request);
  if (request.contains("precision"))
    s.precision = arch::parse_precision(config::get_string(request, "precision", kOrigin));
  s.workload = arch::workload_from_json(config::get_member(request, "workload", kOrigin),
                                        str(kOrigin, ": workload"));
  const auto& w = s.workload;
  const arch::SentenceLength longest = w.longest();
  HAT_CHECK(w.batch <= 256 && longest.source <= 1024 && longest.target <= 1024 &&
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

}  // namespace

std::string AgentSubject::key() const {
  return str(arch::canonical_text(architecture), "|", to_json(options).dump(), "|",
             arch::precision_name(precision), "|", to_json(workload).dump(), "|", seed, "|",
             threads, "|", shortlist);
}

MeasureCommand read_measure(const Json& request) {
  check_keys(request,
             {"type", "id", "architecture", "options", "precision", "workload", "seed", "threads",
              "warmup", "repetitions", "time_limit_ms", "shortlist", "anchors", "anchor_every"},
             kOrigin);
  MeasureCommand command;
  command.subject = read_subject(request);
  command.warmup = integer(request, "warmup", 3, 0, 1000);
  command.repetitions = integer(request, "repetitions", 30, 1, 10'000);
  command.time_limit_ms =
      static_cast<double>(integer(request, "time_limit_ms", 10'000, 1, 600'000));
  command.anchor_every = static_cast<int>(integer(request, "anchor_every", 1, 1, 10'000));
  if (!request.contains("anchors")) return command;
  const Json& anchors = request["anchors"];
  const std::string origin = str(kOrigin, ": anchors");
  HAT_CHECK(anchors.is_array() && !anchors.empty() && anchors.size() <= kMostAnchors,
            ErrorKind::kConfig, str(origin, ": must be a list of 1 to ", kMostAnchors));
  for (const Json& object : anchors) {
    HAT_CHECK(object.is_object(), ErrorKind::kConfig, str(origin, ": must hold objects"));
    check_keys(object, {"architecture", "options"}, origin);
    AgentSubject anchor = command.subject;
    anchor.architecture = read_architecture(object, origin);
    anchor.options = read_options(object);
    check_size(anchor);
    command.anchors.push_back(std::move(anchor));
  }
  return command;
}

}  // namespace hat::edge
