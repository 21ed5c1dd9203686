#include "hat/search/score_client.h"

#include <algorithm>
#include <numeric>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"

namespace hat::search {
namespace {

// Two requests lie with a worker at a time, so that it never waits for the next.
constexpr size_t kInFlight = 2;
constexpr double kPollMs = 2;
constexpr double kLonePollMs = 200;  // with one worker: only to notice a stop

const char* const kHint =
    "Run 'hat score-worker' by hand to see its messages; 'hat train-super' makes what it needs.";

/// All that a network's results depend on, in the order in which they do: networks that share
/// leading layers lie together when sorted.
std::string layers_text(const arch::Architecture& architecture) {
  std::string text = str(architecture.encoder_embed_dim);
  for (const arch::EncoderLayer& layer : architecture.encoder) {
    text += str('|', layer.ffn_dim, ',', layer.heads, ',', layer.qkv_dim);
  }
  text += str('/', architecture.decoder_embed_dim);
  for (const arch::DecoderLayer& layer : architecture.decoder) {
    text += str('|', layer.ffn_dim, ',', layer.self_heads, ',', layer.self_qkv_dim, ',',
                layer.cross_heads, ',', layer.cross_qkv_dim, ',', layer.cross_span);
  }
  return text;
}

}  // namespace

std::vector<size_t> order_by_layers(const std::vector<arch::Architecture>& architectures) {
  std::vector<std::string> texts;
  for (const arch::Architecture& architecture : architectures) {
    texts.push_back(layers_text(architecture));
  }
  std::vector<size_t> order(architectures.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return texts[a] < texts[b]; });
  return order;
}

WorkerObjective::WorkerObjective(Options options,
                                 std::function<arch::Architecture(const Genotype&)> decode)
    : options_(std::move(options)), decode_(std::move(decode)) {}

void WorkerObjective::start() {
  if (!workers_.empty()) return;
  std::vector<Worker> workers(std::max(options_.workers, 1));
  Subprocess::Options process;
  process.capture_stderr = true;
  for (Worker& worker : workers) {
    worker.process = std::make_unique<Subprocess>(options_.argv, process);
  }
  workers_ = std::move(workers);
}

void WorkerObjective::send(Worker& worker, const std::vector<arch::Architecture>& architectures,
                           int sentences) {
  if (worker.queue.empty()) {
    // Takes over the end of the longest queue.
    auto longest = std::max_element(
        workers_.begin(), workers_.end(),
        [](const Worker& a, const Worker& b) { return a.queue.size() < b.queue.size(); });
    if (longest->queue.empty()) return;
    worker.queue.push_back(longest->queue.back());
    longest->queue.pop_back();
  }
  const size_t index = worker.queue.front();
  worker.queue.pop_front();
  config::OrderedJson request;
  request["id"] = first_id_ + static_cast<int64_t>(index);
  request["architecture"] = arch::to_json(architectures[index]);
  request["sentences"] = sentences;
  worker.process->write_line(request.dump());
  ++worker.waiting;
}

bool WorkerObjective::receive(Worker& worker, double timeout_ms, size_t batch_size,
                              const ScoreSink& sink) {
  std::string line;
  const Subprocess::ReadStatus status = worker.process->read_line(&line, timeout_ms);
  if (status == Subprocess::ReadStatus::kTimeout) return false;
  if (status == Subprocess::ReadStatus::kClosed) {
    worker.process->wait(5000);
    const std::string said(trim(worker.process->captured_stderr()));
    fail(ErrorKind::kIo,
         str("The scoring worker has ended", said.empty() ? "" : ". It said:\n", said), kHint);
  }
  const std::string origin = "reply of the scoring worker";
  HAT_CHECK(status == Subprocess::ReadStatus::kLine, ErrorKind::kData,
            str("The ", origin, " is too long"), kHint);
  const config::Json reply = config::Json::parse(line, nullptr, /*allow_exceptions=*/false);
  HAT_CHECK(reply.is_object(), ErrorKind::kData,
            str("The ", origin, " is not JSON: ", line.substr(0, 200)), kHint);
  HAT_CHECK(
      !reply.contains("error"), ErrorKind::kData,
      str("The scoring worker refuses a candidate: ",
          reply.contains("error") && reply["error"].is_string() ? reply["error"].get<std::string>()
                                                                : line.substr(0, 200)),
      "The SuperTransformer in super/ may be of another space; train it again with 'hat "
      "train-super'.");
  const int64_t id = config::get_int(reply, "id", origin);
  HAT_CHECK(id >= first_id_ && id < first_id_ + static_cast<int64_t>(batch_size), ErrorKind::kData,
            str("The ", origin, " is for an unknown request ", id), kHint);
  HAT_CHECK(worker.waiting > 0, ErrorKind::kData, "The scoring worker answers unasked", kHint);
  --worker.waiting;
  sink(static_cast<size_t>(id - first_id_), config::get_double(reply, "loss", origin));
  return true;
}

void WorkerObjective::score(std::span<const Candidate> batch, int sentences,
                            const ScoreSink& sink) {
  start();
  std::vector<arch::Architecture> architectures;
  for (const Candidate& candidate : batch) architectures.push_back(decode_(candidate.genotype));
  const std::vector<size_t> order = order_by_layers(architectures);
  for (size_t w = 0; w < workers_.size(); ++w) {
    const size_t begin = order.size() * w / workers_.size();
    const size_t end = order.size() * (w + 1) / workers_.size();
    workers_[w].queue.assign(order.begin() + static_cast<std::ptrdiff_t>(begin),
                             order.begin() + static_cast<std::ptrdiff_t>(end));
  }
  std::vector<bool> known(batch.size(), false);
  const ScoreSink once = [&](size_t index, double loss) {
    HAT_CHECK(!known[index], ErrorKind::kData, "The scoring worker answers twice", kHint);
    known[index] = true;
    sink(index, loss);
  };
  double last_ms = wall_ms();
  size_t remaining = batch.size();
  const double poll_ms = workers_.size() > 1 ? kPollMs : kLonePollMs;
  while (remaining > 0) {
    throw_if_stopped();
    for (Worker& worker : workers_) {
      size_t before = worker.waiting + 1;
      while (worker.waiting < kInFlight && worker.waiting != before) {
        before = worker.waiting;
        send(worker, architectures, sentences);
      }
      if (worker.waiting == 0 || !receive(worker, poll_ms, batch.size(), once)) continue;
      --remaining;
      last_ms = wall_ms();
    }
    HAT_CHECK(wall_ms() - last_ms < options_.silence_limit_ms, ErrorKind::kIo,
              str("The scoring worker has been silent for ",
                  format_duration_ms(options_.silence_limit_ms)),
              kHint);
  }
  first_id_ += static_cast<int64_t>(batch.size());
}

}  // namespace hat::search
