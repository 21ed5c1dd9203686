#include "hat/train/score_benchmark.h"

#include <algorithm>
#include <cmath>
#include <memory>

#include "benchmark_corpus.h"
#include "hat/base/clock.h"
#include "hat/base/strings.h"
#include "hat/model/compute.h"
#include "hat/model/transformer.h"
#include "hat/train/scorer.h"
#include "plain_scorer.h"

namespace hat::train {

namespace {
constexpr double kSmoothing = 0.1;
}

ScoreBenchmark benchmark_scoring(const arch::SearchSpace& space,
                                 const std::vector<arch::Architecture>& networks,
                                 const ScoreBenchmarkOptions& options) {
  const BenchmarkCorpus corpus(options.sentences, options.vocabulary, options.seed);
  const ValidationSet set(corpus.by_length(options.batch_tokens));
  model::Transformer network(model::super_spec(space, options.vocabulary));
  network.initialize(options.seed);
  const model::Compute compute = model::resolve_compute(options.precision);
  network.set_compute(compute);
  const auto same_set = [&set](int64_t) { return set; };
  Scorer scorer(network, same_set, kSmoothing);
  PlainScorer plain(network);
  const auto forgetful_loss = [&](const arch::Architecture& one) {
    return Scorer(network, same_set, kSmoothing).score(one, 0).loss;
  };
  // Once before the clock counts: memory, kernels and low-precision copies are then there.
  forgetful_loss(space.largest());
  plain.score(space.largest(), set, kSmoothing);

  ScoreBenchmark result;
  result.precision = model::compute_name(compute);
  result.sentences = options.sentences;
  const auto add_time_to = [](double* sum, auto&& run) {
    const double start = wall_ms();
    const double loss = run();
    *sum += (wall_ms() - start) / 1000;
    return loss;
  };
  double seconds = 0, plain_seconds = 0, forgetful_seconds = 0;
  for (const arch::Architecture& one : networks) {
    const double loss = add_time_to(&seconds, [&] { return scorer.score(one, 0).loss; });
    if (result.networks++ % options.every != 0) continue;
    add_time_to(&forgetful_seconds, [&] { return forgetful_loss(one); });
    const double reference =
        add_time_to(&plain_seconds, [&] { return plain.score(one, set, kSmoothing); });
    result.largest_difference = std::max(result.largest_difference, std::abs(loss / reference - 1));
    ++result.compared;
  }
  result.seconds = seconds / result.networks;
  result.plain_seconds = plain_seconds / result.compared;
  result.forgetful_seconds = forgetful_seconds / result.compared;
  return result;
}

config::OrderedJson ScoreBenchmark::to_json() const {
  return {{"precision", precision},
          {"networks", networks},
          {"compared", compared},
          {"sentences", sentences},
          {"networks_per_second", 1 / seconds},
          {"forgetful_networks_per_second", 1 / forgetful_seconds},
          {"plain_networks_per_second", 1 / plain_seconds},
          {"speedup_over_plain", plain_seconds / seconds},
          {"speedup_of_keeping", forgetful_seconds / seconds},
          {"largest_relative_difference", largest_difference}};
}

std::string ScoreBenchmark::to_text() const {
  const auto line = [&](const std::string& what, double time) {
    return str(what, fixed(1 / time, 2), " networks/s\n");
  };
  return str(networks, " networks as a search asks for them, on ", sentences, " sentences\n",
             line(str("hat search, ", precision, ":                "), seconds),
             line("  nothing kept between networks: ", forgetful_seconds),
             line("whole validation pass, fp32:     ", plain_seconds),
             "hat / whole pass:                ", fixed(plain_seconds / seconds, 2), "\n",
             "losses differ by at most         ", fixed(100 * largest_difference, 4), " %\n");
}

}  // namespace hat::train
