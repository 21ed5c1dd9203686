#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "hat/base/process.h"
#include "hat/search/objective.h"

namespace hat::search {

/// Indexes of the networks in the order in which a scorer shares most between them: those with
/// equal leading layers lie together.
std::vector<size_t> order_by_layers(const std::vector<arch::Architecture>& architectures);

/// Scores candidates in child processes that hold the SuperTransformer (`hat score-worker`): one
/// JSON line a request, {"id": n, "architecture": {...}, "sentences": m}, one a reply, {"id": n,
/// "loss": x} or
/// {"id": n, "error": "..."}. Workers are started with the first candidate, each with one thread,
/// so a loss never depends on how many there are; candidates that share leading layers go to the
/// same worker one after another, which keeps what they share.
class WorkerObjective : public Objective {
 public:
  struct Options {
    std::vector<std::string> argv;
    int workers = 1;
    /// Silence of all workers after which they count as hung; covers their start.
    double silence_limit_ms = 600'000;
  };
  WorkerObjective(Options options, std::function<arch::Architecture(const Genotype&)> decode);

  /// Throws kIo when a worker ends or hangs, kData when it answers nonsense or refuses a candidate,
  /// kInterrupted on a stop; scores reported before stay reported.
  void score(std::span<const Candidate> batch, int sentences, const ScoreSink& sink) override;

 private:
  struct Worker {
    std::unique_ptr<Subprocess> process;
    std::deque<size_t> queue;  ///< indexes into the batch
    size_t waiting = 0;        ///< requests sent and not answered
  };
  void start();
  void send(Worker& worker, const std::vector<arch::Architecture>& architectures, int sentences);
  bool receive(Worker& worker, double timeout_ms, size_t batch_size, const ScoreSink& sink);

  Options options_;
  std::function<arch::Architecture(const Genotype&)> decode_;
  std::vector<Worker> workers_;
  int64_t first_id_ = 1;  ///< of the current batch
};

}  // namespace hat::search
