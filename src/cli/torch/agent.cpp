#include "hat/edge/agent.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/Version.h>
#include <torch/cuda.h>
#include <torch/version.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "../agent_options.h"
#include "../torch_commands.h"
#include "hat/base/clock.h"
#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"
#include "hat/edge/bench.h"
#include "hat/model/beam_search.h"
#include "hat/model/transformer.h"

namespace hat::cli {
namespace {

/// Names the first GPU as its driver does: LibTorch's headers tell only where CUDA's are installed.
std::string gpu_name() {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc/driver/nvidia/gpus", error)) {
    std::ifstream file(entry.path() / "information");
    std::string line;
    while (std::getline(file, line)) {
      if (line.rfind("Model:", 0) == 0) return std::string(trim(line.substr(6)));
    }
  }
  return "CUDA device";
}

/// Takes the time of each piece of a translation; what a GPU was given is waited for.
class Stopwatch {
 public:
  explicit Stopwatch(bool cuda) : cuda_(cuda) { start(); }
  void start() {
    wait();
    wall_ = wall_ms();
    cpu_ = process_cpu_ms();
  }
  void lap(edge::Timing* timing) {
    const double wall = wall_;
    const double cpu = cpu_;
    start();
    timing->piece_ms.push_back(wall_ - wall);
    timing->piece_cpu_ms.push_back(cpu_ - cpu);
  }

 private:
  void wait() const {
    if (cuda_) torch::cuda::synchronize();
  }
  bool cuda_;
  double wall_ = 0;
  double cpu_ = 0;
};

/// The extracted network with random weights, translated by LibTorch as `hat evaluate` does.
class TorchNetwork : public edge::AgentNetwork {
 public:
  TorchNetwork(const edge::AgentSubject& subject, bool cuda)
      : workload_(subject.workload),
        threads_(subject.threads),
        cuda_(cuda),
        network_(spec_of(subject), cuda ? c10::kCUDA : c10::kCPU) {
    network_.initialize(subject.seed);
    std::ostringstream digits;
    digits << std::hex << hash64(subject.key());
    id_ = digits.str();
    Rng rng(subject.seed, "bench source");
    for (const arch::SentenceLength& length : workload_.sentence_lengths()) {
      std::vector<std::vector<int32_t>> batch;
      for (int i = 0; i < workload_.batch; ++i) batch.push_back(sentence(length.source, &rng));
      sources_.push_back(std::move(batch));
    }
  }

  edge::Timing run() override {
    if (at::get_num_threads() != threads_) at::set_num_threads(threads_);
    std::vector<edge::Timing> timings;
    for (const auto& source : sources_) timings.push_back(translate(source, timings.size()));
    return timings.size() == 1 ? timings[0] : edge::mean_timing(timings);
  }

  std::string model_id() const override { return id_; }
  double model_bytes() const override {
    return 4.0 * static_cast<double>(network_.parameters().count());
  }

 private:
  static model::NetworkSpec spec_of(const edge::AgentSubject& subject) {
    model::NetworkSpec spec;
    spec.capacities = subject.architecture;
    spec.options = subject.options;
    spec.options.compat = false;  // positions only; they cost the same
    const arch::SentenceLength longest = subject.workload.longest();
    spec.options.max_positions =
        std::max({spec.options.max_positions, 2 * longest.source, longest.target + 2});
    spec.vocabulary = subject.workload.vocabulary;
    return spec;
  }

  std::vector<int32_t> sentence(int tokens, Rng* rng) const {
    const auto words = static_cast<uint64_t>(std::max(1, workload_.vocabulary.source - 4));
    std::vector<int32_t> result;
    for (int t = 0; t + 1 < tokens; ++t) {
      result.push_back(
          std::min(workload_.vocabulary.source - 1, 4 + static_cast<int>(rng->below(words))));
    }
    result.push_back(static_cast<int32_t>(model::kEosId));
    return result;
  }

  edge::Timing translate(const std::vector<std::vector<int32_t>>& source, size_t index) {
    edge::Timing timing;
    Stopwatch watch(cuda_);
    model::BeamOptions options;
    options.beam = workload_.beam;
    // The end is forbidden before the last step, which can choose nothing else.
    options.max_length = workload_.sentence_lengths()[index].target - 1;
    options.min_length = options.max_length;
    options.after_piece = [&] { watch.lap(&timing); };
    model::beam_search(network_, source, options);
    timing.encoder_ms = timing.piece_ms[0];
    timing.encoder_cpu_ms = timing.piece_cpu_ms[0];
    for (size_t i = 1; i < timing.piece_ms.size(); ++i) {
      timing.decoder_ms += timing.piece_ms[i];
      timing.decoder_cpu_ms += timing.piece_cpu_ms[i];
    }
    timing.steps = static_cast<int64_t>(timing.piece_ms.size()) - 1;
    return timing;
  }

  arch::Workload workload_;
  int threads_;
  bool cuda_;
  model::Transformer network_;
  std::string id_;
  std::vector<std::vector<std::vector<int32_t>>> sources_;  ///< a batch for each length
};

class TorchBackend : public edge::AgentBackend {
 public:
  explicit TorchBackend(bool cuda) : cuda_(cuda) {
    HAT_CHECK(!cuda || torch::cuda::is_available(), ErrorKind::kConfig,
              at::hasCUDA() ? "LibTorch finds no CUDA device on this machine"
                            : "this hat-torch was built with a LibTorch without CUDA",
              at::hasCUDA() ? "see whether nvidia-smi lists it and its driver is new enough"
                            : "build hat on the machine with the GPU, HAT_TORCH naming a LibTorch "
                              "for CUDA; or measure the processor: \"backend\": \"cpu\"");
  }
  std::string program() const override { return "hat-torch"; }
  std::string isa() const override {
    return cuda_ ? "cuda" : "libtorch " + at::get_cpu_capability();
  }
  std::string machine() const override { return cuda_ ? gpu_name() : cpu_info().model; }
  config::OrderedJson facts() const override {
    return {{"runtime", str("LibTorch ", TORCH_VERSION, at::hasMKL() ? " with MKL" : " without MKL",
                            at::hasCUDA() ? ", CUDA" : ", no CUDA")}};
  }

  void check(const edge::AgentSubject& subject) const override {
    HAT_CHECK(subject.precision == arch::Precision::kFp32, ErrorKind::kConfig,
              str("LibTorch runs networks in fp32, not ", arch::precision_name(subject.precision)),
              "set \"precision\": \"fp32\" in the device's definition");
    HAT_CHECK(subject.shortlist == 0, ErrorKind::kConfig,
              "LibTorch networks have no shortlist of output words",
              "set \"shortlist\": 0 in the device's definition");
  }
  std::unique_ptr<edge::AgentNetwork> build(const edge::AgentSubject& subject) override {
    return std::make_unique<TorchNetwork>(subject, cuda_);
  }

 private:
  bool cuda_;
};

}  // namespace

void run_agent(const AgentOptions& options) {
  edge::run_agent(STDIN_FILENO, STDOUT_FILENO,
                  std::make_unique<TorchBackend>(options.backend == "cuda"));
}

}  // namespace hat::cli
