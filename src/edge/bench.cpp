#include "hat/edge/bench.h"

#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <fstream>

#include "edge/network.h"
#include "hat/base/clock.h"
#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/stats.h"
#include "hat/base/strings.h"
#include "hat/base/version.h"
#include "hat/edge/isa.h"

namespace hat::edge {
namespace {

using config::OrderedJson;

// Larger than any cache of the machines we run on, so that memory is what is measured.
constexpr size_t kBandwidthBytes = size_t{256} << 20;

OrderedJson quantiles(const std::vector<double>& values) {
  return {{"min", *std::min_element(values.begin(), values.end())},
          {"p10", quantile(values, 0.1)},
          {"p50", quantile(values, 0.5)},
          {"p90", quantile(values, 0.9)}};
}

int source_length(int mean, bool mixed, Rng& rng) {
  if (!mixed) return mean;
  const int low = std::max(1, mean / 2);
  const int high = std::max(low, mean * 3 / 2);
  return low + static_cast<int>(rng.below(static_cast<uint64_t>(high - low + 1)));
}

std::string milliseconds(const OrderedJson& series) {
  return str(fixed(series["min"].get<double>(), 2), "  ", fixed(series["p10"].get<double>(), 2),
             "  ", fixed(series["p50"].get<double>(), 2), "  ",
             fixed(series["p90"].get<double>(), 2));
}

}  // namespace

ModelSpec random_model_spec(const arch::Architecture& architecture,
                            const arch::ModelOptions& options, arch::Precision precision,
                            const arch::Workload& workload, int shortlist) {
  ModelSpec spec;
  spec.architecture = architecture;
  spec.options = options;
  spec.options.compat = false;  // positions only; they cost the same
  const arch::SentenceLength longest = workload.longest();
  spec.options.max_positions =
      std::max({options.max_positions, 2 * longest.source, longest.target + 2});
  spec.vocabulary = workload.vocabulary;
  spec.precision = precision;
  if (shortlist > 0) spec.shortlist = fixed_shortlist(workload.vocabulary, shortlist);
  return spec;
}

std::shared_ptr<const Model> build_random_model(const ModelSpec& spec, uint64_t seed) {
  return Model::from_bytes(build_model(spec, random_tensor_source(spec, seed)), "random weights");
}

WorkloadRunner::WorkloadRunner(std::shared_ptr<const Model> model, const arch::Workload& workload,
                               uint64_t seed, int threads, bool mixed)
    : translator_(std::move(model), threads) {
  const arch::Vocabulary& vocabulary = translator_.model().vocabulary();
  Rng rng(seed, "bench source");
  for (const arch::SentenceLength& length : workload.sentence_lengths()) {
    Batch batch;
    for (int i = 0; i < workload.batch; ++i) {
      Request request;
      const int tokens = source_length(length.source, mixed, rng);
      for (int t = 0; t + 1 < tokens; ++t) {
        const auto words = static_cast<uint64_t>(std::max(1, vocabulary.source - 4));
        request.source.push_back(
            std::min(vocabulary.source - 1, 4 + static_cast<int>(rng.below(words))));
      }
      request.source.push_back(2);
      batch.requests.push_back(std::move(request));
    }
    batch.options.beam = workload.beam;
    batch.options.max_length_a = 0;
    batch.options.max_length_b = length.target - 1;  // the last step can only choose the end
    batch.options.min_length = length.target - 1;
    batches_.push_back(std::move(batch));
  }
}

Timing WorkloadRunner::run() {
  if (batches_.size() == 1) {
    translator_.translate_batch(batches_[0].requests, batches_[0].options);
    return translator_.timing();
  }
  std::vector<Timing> timings;
  for (const Batch& batch : batches_) {
    translator_.translate_batch(batch.requests, batch.options);
    timings.push_back(translator_.timing());
  }
  return mean_timing(timings);
}

Timing mean_timing(const std::vector<Timing>& timings) {
  const double share = 1.0 / static_cast<double>(timings.size());
  Timing mean;
  mean.encoder_pieces = timings.size();
  std::vector<double> steps, cpu_steps;
  for (const Timing& timing : timings) {
    mean.encoder_ms += share * timing.encoder_ms;
    mean.decoder_ms += share * timing.decoder_ms;
    mean.encoder_cpu_ms += share * timing.encoder_cpu_ms;
    mean.decoder_cpu_ms += share * timing.decoder_cpu_ms;
    mean.steps += timing.steps;
    mean.target_tokens += timing.target_tokens;
    for (size_t i = 0; i < timing.piece_ms.size(); ++i) {
      (i == 0 ? mean.piece_ms : steps).push_back(share * timing.piece_ms[i]);
      (i == 0 ? mean.piece_cpu_ms : cpu_steps).push_back(share * timing.piece_cpu_ms[i]);
    }
  }
  mean.piece_ms.insert(mean.piece_ms.end(), steps.begin(), steps.end());
  mean.piece_cpu_ms.insert(mean.piece_cpu_ms.end(), cpu_steps.begin(), cpu_steps.end());
  return mean;
}

std::vector<size_t> WorkloadRunner::source_lengths() const {
  std::vector<size_t> lengths;
  for (const Batch& batch : batches_) {
    for (const Request& request : batch.requests) lengths.push_back(request.source.size());
  }
  return lengths;
}

double WorkloadRunner::step_bytes() const {
  const Network& network = model().network();
  double bytes = model().decoder_step_bytes();
  if (!network.shortlist.empty()) {
    const PackedMatrix& output = network.output;
    const auto words = static_cast<uint32_t>(network.shortlist.always.size());
    bytes -= static_cast<double>(packed_bytes(output.type, output.n, output.k));
    bytes += static_cast<double>(packed_bytes(output.type, std::max(words, 1U), output.k));
  }
  return bytes;
}

void RunTimings::add(const Timing& timing) {
  encoder_ms.push_back(timing.encoder_ms);
  decoder_ms.push_back(timing.decoder_ms);
  total_ms.push_back(timing.encoder_ms + timing.decoder_ms);
  encoder_cpu_ms.push_back(timing.encoder_cpu_ms);
  decoder_cpu_ms.push_back(timing.decoder_cpu_ms);
  total_cpu_ms.push_back(timing.encoder_cpu_ms + timing.decoder_cpu_ms);
}

OrderedJson run_bench(std::shared_ptr<const Model> model, double load_ms,
                      const BenchOptions& options) {
  HAT_CHECK(options.repetitions >= 1 && options.warmup >= 0, ErrorKind::kUsage,
            "at least one repetition is needed");
  const double begin = wall_ms();
  const auto& workload = options.workload;
  reset_peak_resident();
  WorkloadRunner runner(model, workload, options.seed, options.threads, options.mixed);
  for (int i = 0; i < options.warmup; ++i) runner.run();
  RunTimings timings;
  for (int i = 0; i < options.repetitions; ++i) {
    timings.add(runner.run());
    if (wall_ms() - begin > options.time_limit_ms) break;
  }
  const double peak = peak_resident_bytes();
  const double steps = workload.target_length;
  const double decoder_min =
      *std::min_element(timings.decoder_ms.begin(), timings.decoder_ms.end());
  const double weight_gbps = runner.step_bytes() * steps / (decoder_min * 1e6);

  OrderedJson out;
  out["model_id"] = model->id();
  out["architecture_id"] = arch::architecture_id(model->architecture());
  out["precision"] = arch::precision_name(model->precision());
  out["isa"] = isa_name(active_isa());
  out["threads"] = options.threads;
  out["cpu"] = cpu_info().model;
  out["version"] = version();
  out["commit"] = build_commit();
  out["workload"] = arch::to_json(workload);
  if (options.mixed) out["source_lengths"] = runner.source_lengths();
  out["shortlist"] = model->network().shortlist.always.size();
  out["seed"] = options.seed;
  out["repetitions"] = timings.size();
  out["total_ms"] = quantiles(timings.total_ms);
  out["encoder_ms"] = quantiles(timings.encoder_ms);
  out["decoder_ms"] = quantiles(timings.decoder_ms);
  out["total_cpu_ms"] = quantiles(timings.total_cpu_ms);
  out["step_ms"] = median(timings.decoder_ms) / steps;
  out["tokens_per_second"] = 1e3 * workload.batch * steps / median(timings.total_ms);
  out["model_mb"] = static_cast<double>(model->file_bytes()) / 1e6;
  out["peak_memory_mb"] = peak / 1e6;
  out["load_ms"] = load_ms;
  out["decoder_step_mb"] = runner.step_bytes() / 1e6;
  out["weight_gbps"] = weight_gbps;
  if (options.bandwidth) {
    const double machine = measure_read_bandwidth_gbps(kBandwidthBytes, options.threads);
    out["read_bandwidth_gbps"] = machine;
    out["share_of_bandwidth"] = weight_gbps / machine;
  }
  return out;
}

std::string bench_table(const OrderedJson& r) {
  const auto number = [&](const char* key, int digits) {
    return fixed(r[key].get<double>(), digits);
  };
  const auto& w = r["workload"];
  std::string out =
      str("model ", r["model_id"].get<std::string>(), "  ", r["precision"].get<std::string>(),
          "  isa ", r["isa"].get<std::string>(), "  threads ", r["threads"].get<int>(), "  (",
          r["cpu"].get<std::string>(), ")\n");
  out += str("batch ", w["batch"].get<int>(), "  beam ", w["beam"].get<int>(), "  ",
             w["source_length"].get<int>(), " tokens in, ", w["target_length"].get<int>(),
             " steps, ", r["repetitions"].get<size_t>(), " runs\n\n");
  out += "ms           min  p10  p50  p90\n";
  out += "total      " + milliseconds(r["total_ms"]) + "\n";
  out += "encoder    " + milliseconds(r["encoder_ms"]) + "\n";
  out += "decoder    " + milliseconds(r["decoder_ms"]) + "\n";
  out += "cpu        " + milliseconds(r["total_cpu_ms"]) + "\n\n";
  out += str(number("tokens_per_second", 0), " tokens/s, ", number("step_ms", 3), " ms a step\n");
  out += str("model ", number("model_mb", 1), " MB, resident at most ", number("peak_memory_mb", 1),
             " MB, opened in ", number("load_ms", 1), " ms\n");
  out += str("weights read at ", number("weight_gbps", 1), " GB/s");
  if (r.contains("read_bandwidth_gbps")) {
    out += str(", ", fixed(100 * r["share_of_bandwidth"].get<double>(), 0), " % of the machine's ",
               number("read_bandwidth_gbps", 1));
  }
  return out + "\n";
}

OrderedJson compare_precisions(std::span<const arch::Architecture> architectures,
                               const arch::ModelOptions& options, const BenchOptions& bench) {
  struct Side {
    std::unique_ptr<WorkloadRunner> runner;
    std::vector<double> ms;
  };
  OrderedJson rows = OrderedJson::array();
  double worst = 0;
  for (const auto& architecture : architectures) {
    for (const int beam : {1, 5}) {
      arch::Workload workload = bench.workload;
      workload.beam = beam;
      Side sides[2];
      for (int i = 0; i < 2; ++i) {
        const auto precision = i == 0 ? arch::Precision::kInt8 : arch::Precision::kFp32;
        sides[i].runner = std::make_unique<WorkloadRunner>(
            build_random_model(random_model_spec(architecture, options, precision, workload),
                               bench.seed),
            workload, bench.seed, bench.threads);
        sides[i].runner->run();
      }
      for (int run = 0; run < std::max(1, bench.repetitions); ++run) {
        for (Side& side : sides) {
          const Timing timing = side.runner->run();
          side.ms.push_back(timing.encoder_ms + timing.decoder_ms);
        }
      }
      const double int8_ms = *std::min_element(sides[0].ms.begin(), sides[0].ms.end());
      const double fp32_ms = *std::min_element(sides[1].ms.begin(), sides[1].ms.end());
      worst = std::max(worst, int8_ms / fp32_ms);
      rows.push_back({{"architecture_id", arch::architecture_id(architecture)},
                      {"beam", beam},
                      {"int8_ms", int8_ms},
                      {"fp32_ms", fp32_ms},
                      {"ratio", int8_ms / fp32_ms}});
    }
  }
  return {{"isa", isa_name(active_isa())},
          {"threads", bench.threads},
          {"worst_ratio", worst},
          {"rows", rows}};
}

double resident_bytes() {
  std::ifstream file("/proc/self/statm");
  double total = 0;
  double resident = 0;
  if (!(file >> total >> resident)) return peak_memory_bytes();
  return resident * static_cast<double>(::sysconf(_SC_PAGESIZE));
}

double peak_resident_bytes() {
  std::ifstream file("/proc/self/status");
  std::string line;
  while (std::getline(file, line)) {
    if (line.rfind("VmHWM:", 0) != 0) continue;
    const auto words = split_words(line);
    double kibibytes = 0;
    if (words.size() >= 2 && parse_double(words[1], &kibibytes)) return 1024 * kibibytes;
  }
  return peak_memory_bytes();
}

void reset_peak_resident() {
  std::ofstream file("/proc/self/clear_refs");
  file << "5";
}

}  // namespace hat::edge
