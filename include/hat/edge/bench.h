#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "hat/arch/cost.h"
#include "hat/config/json.h"
#include "hat/edge/model.h"
#include "hat/edge/translator.h"

namespace hat::edge {

/// A model that was never trained, for timing: weights from the seed, no tokenizer. `shortlist`
/// words of the output layer, 0 for all.
ModelSpec random_model_spec(const arch::Architecture& architecture,
                            const arch::ModelOptions& options, arch::Precision precision,
                            const arch::Workload& workload, int shortlist = 0);
std::shared_ptr<const Model> build_random_model(const ModelSpec& spec, uint64_t seed);

/// Translates the same batch again and again: sentences of random words, exactly
/// workload.source_length tokens long with their end (`mixed`: from half to one and a half of
/// that), decoded for exactly workload.target_length steps. With a distribution of lengths, one
/// batch of each after the other.
class WorkloadRunner {
 public:
  WorkloadRunner(std::shared_ptr<const Model> model, const arch::Workload& workload, uint64_t seed,
                 int threads, bool mixed = false);
  /// One run; the timing of Translator, the mean over the workload's lengths.
  Timing run();
  const Model& model() const { return translator_.model(); }
  /// Tokens of every source sentence of a run, their ends included.
  std::vector<size_t> source_lengths() const;
  /// Bytes of weights that one decoder step reads, the shortlist considered.
  double step_bytes() const;

 private:
  struct Batch {
    std::vector<Request> requests;
    TranslateOptions options;
  };
  Translator translator_;
  std::vector<Batch> batches_;  ///< one of each length
};

/// Means of the times (pieces too, the encoders' first); sums of steps and tokens.
Timing mean_timing(const std::vector<Timing>& timings);

/// Timings of many runs, in the order of the runs.
struct RunTimings {
  std::vector<double> encoder_ms, decoder_ms, total_ms;
  std::vector<double> encoder_cpu_ms, decoder_cpu_ms, total_cpu_ms;
  void add(const Timing& timing);
  size_t size() const { return total_ms.size(); }
};

struct BenchOptions {
  arch::Workload workload;
  int threads = 1;
  int warmup = 3;
  int repetitions = 20;
  double time_limit_ms = 60'000;  ///< runs stop after this, but one is always made
  uint64_t seed = 1;
  bool mixed = false;
  bool bandwidth = true;  ///< measure the machine's read bandwidth too (half a second)
};

/// Everything that `bench` prints, as JSON: total_ms, encoder_ms and decoder_ms (each with min,
/// p10, p50, p90), total_cpu_ms, tokens_per_second, peak_memory_mb, load_ms, weight_gbps and
/// read_bandwidth_gbps, isa, threads, model_id and the workload. `load_ms`: what opening the model
/// took.
config::OrderedJson run_bench(std::shared_ptr<const Model> model, double load_ms,
                              const BenchOptions& options);
/// The same as a table for people.
std::string bench_table(const config::OrderedJson& result);

/// int8 against fp32 at batch 1 over architectures (beams 1 and 5), worst ratio first in the
/// result:
/// {"worst_ratio": ..., "rows": [{"architecture_id", "beam", "int8_ms", "fp32_ms", "ratio"}]}.
config::OrderedJson compare_precisions(std::span<const arch::Architecture> architectures,
                                       const arch::ModelOptions& options,
                                       const BenchOptions& bench);

/// Times the matrix products of a Transformer base alone, weights from memory, quantisation of the
/// rows included: {"isa", "threads", "precision", "cpu", "products": [{"what", "outputs", "inputs",
/// "rows", "min_us", "median_us", "weight_gbps", "gops"}]}. Takes some seconds.
config::OrderedJson time_products(arch::Precision precision, int threads);
std::string products_table(const config::OrderedJson& result);

/// Resident memory of this process now, and at most since the last reset (where the system allows a
/// reset; else since the start), in bytes.
double resident_bytes();
double peak_resident_bytes();
void reset_peak_resident();

}  // namespace hat::edge
