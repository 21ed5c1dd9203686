#include "hat/edge/translator.h"

#include <algorithm>
#include <cmath>
#include <exception>
#include <limits>
#include <numeric>

#include "edge/beam_search.h"
#include "edge/engine.h"
#include "edge/network.h"
#include "edge/output_layer.h"
#include "edge/tokens.h"
#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::edge {
namespace {

constexpr int kMaxBeam = 64;

void check_options(const TranslateOptions& options) {
  const auto in_range = [](int value, int low, int high, const char* name) {
    HAT_CHECK(value >= low && value <= high, ErrorKind::kUsage,
              str(name, " must be ", low, " to ", high, " (got ", value, ")"));
  };
  in_range(options.beam, 1, kMaxBeam, "beam");
  in_range(options.n_best, 1, options.beam, "n-best");
  in_range(options.min_length, 0, static_cast<int>(kMaxPositions), "minimum length");
  in_range(options.max_length_b, 0, static_cast<int>(kMaxPositions), "maximum length");
  HAT_CHECK(std::isfinite(options.length_penalty), ErrorKind::kUsage,
            "length penalty must be a number");
  HAT_CHECK(options.max_length_a >= 0 && options.max_length_a <= 1000, ErrorKind::kUsage,
            "maximum length per source word must be 0 to 1000");
  HAT_CHECK(options.max_length_ratio >= 0 && options.max_length_ratio <= 1000, ErrorKind::kUsage,
            "maximum length as a multiple of the source must be 0 to 1000");
  HAT_CHECK(std::isfinite(options.unknown_penalty), ErrorKind::kUsage,
            "unknown penalty must be a number");
}

void check_tokens(const std::vector<int>& tokens, int vocabulary, const char* what) {
  for (const int token : tokens) {
    HAT_CHECK(token >= 0 && token < vocabulary, ErrorKind::kUsage,
              str(what, ": token ", token, " is outside the vocabulary of ", vocabulary));
  }
}

/// With its end token, and no longer than the model's positions.
std::vector<int> clean_source(const std::vector<int>& source, const Network& network) {
  check_tokens(source, network.vocabulary.source, "source");
  std::vector<int> clean = source;
  if (!clean.empty() && clean.back() == kEnd) clean.pop_back();
  const auto longest = static_cast<size_t>(network.options.max_positions) - 1;
  if (clean.size() > longest) clean.resize(longest);
  clean.push_back(kEnd);
  return clean;
}

int greatest_length(const TranslateOptions& options, size_t source, size_t prefix,
                    const Network& network) {
  const int positions = network.options.max_positions - 1;
  HAT_CHECK(prefix <= static_cast<size_t>(positions), ErrorKind::kUsage,
            str("a prefix of ", prefix, " tokens is longer than the model's ", positions));
  const auto words = static_cast<double>(source);
  double wanted = options.max_length_a * words + options.max_length_b;
  if (options.max_length_ratio > 0)
    wanted = std::min(wanted, std::ceil(options.max_length_ratio * words) + 10);
  const int length = wanted < positions ? static_cast<int>(wanted) : positions;
  return std::max(length, static_cast<int>(prefix));
}

/// Appends the time since the last call to a timing's pieces.
class PieceClock {
 public:
  explicit PieceClock(Timing* timing) : timing_(timing) {}

  void lap() {
    timing_->piece_ms.push_back(0);
    timing_->piece_cpu_ms.push_back(0);
    extend();
  }
  /// Adds it to the last piece.
  void extend() {
    const double wall = wall_ms();
    const double cpu = process_cpu_ms();
    timing_->piece_ms.back() += wall - wall_;
    timing_->piece_cpu_ms.back() += cpu - cpu_;
    wall_ = wall;
    cpu_ = cpu;
  }

 private:
  Timing* timing_;
  double wall_ = wall_ms();
  double cpu_ = process_cpu_ms();
};

double sum_from(const std::vector<double>& values, size_t first) {
  return std::accumulate(values.begin() + static_cast<ptrdiff_t>(first), values.end(), 0.0);
}

Hypothesis empty_hypothesis() {
  Hypothesis hypothesis;
  hypothesis.tokens = {kEnd};
  hypothesis.score = -std::numeric_limits<float>::infinity();
  hypothesis.positional_scores = {hypothesis.score};
  return hypothesis;
}

/// Sentences that are decoded together, and everything that this needs.
struct Lane {
  Lane(const Network& network, int threads) : engine(network, threads), output(engine) {}

  /// `requests` must have been checked. Keeps no reference to them after encode().
  void encode(std::span<const Request* const> requests, const TranslateOptions& options);
  /// Every step is a piece of the clock, where there is one.
  void decode(const TranslateOptions& options, PieceClock* clock);
  std::vector<Hypothesis> collect(size_t index, const TranslateOptions& options);
  void prepare(std::span<const Request* const> requests, const TranslateOptions& options);
  void choose_words(std::span<const Request* const> requests, const TranslateOptions& options);
  void one_step(const TranslateOptions& options);
  void align(const Sentence& sentence, const std::vector<int32_t>& path, Hypothesis* hypothesis);

  Engine engine;
  OutputLayer output;
  int64_t steps = 0;
  std::vector<std::vector<int>> sources;
  std::vector<Sentence> sentences;
  std::vector<BeamSearch> searches;
  std::vector<std::vector<int32_t>> words;  ///< of each sentence; positions in the union
  std::vector<size_t> active;
  std::vector<Row> rows;
  std::vector<OutputQuery> queries;
  std::vector<RowCandidates> found;
  std::vector<Candidate> candidates;
};

void check_request(const Request& request, const TranslateOptions& options,
                   const Network& network) {
  check_tokens(request.source, network.vocabulary.source, "source");
  const auto& prefix = request.prefix;
  check_tokens(prefix, network.vocabulary.target, "prefix");
  HAT_CHECK(std::none_of(prefix.begin(), prefix.end(),
                         [](int token) { return token == kEnd || token == kPad; }),
            ErrorKind::kUsage, "prefix: must not hold the end or padding token");
  greatest_length(options, clean_source(request.source, network).size(), prefix.size(), network);
}

void Lane::prepare(std::span<const Request* const> requests, const TranslateOptions& options) {
  const Network& network = engine.network();
  const size_t count = requests.size();
  sources.clear();
  sentences.assign(count, {});
  if (searches.size() < count) searches.resize(count);
  active.clear();
  steps = 0;
  for (const Request* request : requests) sources.push_back(clean_source(request->source, network));
  for (size_t i = 0; i < count; ++i) {
    const auto& prefix = requests[i]->prefix;
    const int length = greatest_length(options, sources[i].size(), prefix.size(), network);
    sentences[i].source = sources[i];
    sentences[i].beam = options.beam;
    sentences[i].max_positions = length + 1;
    sentences[i].keep_attention = options.alignment;
    searches[i].reset(options.beam, length, options.min_length, options.length_penalty, prefix);
    active.push_back(i);
  }
}

void Lane::encode(std::span<const Request* const> requests, const TranslateOptions& options) {
  prepare(requests, options);
  engine.encode(sentences);
  choose_words(requests, options);
}

void Lane::choose_words(std::span<const Request* const> requests, const TranslateOptions& options) {
  const ShortlistView& list = engine.network().shortlist;
  words.assign(requests.size(), {});
  output.use_words({});
  if (list.empty() || !options.shortlist) return;
  std::vector<int32_t> all;
  for (size_t i = 0; i < requests.size(); ++i) {
    auto& own = words[i];
    own.assign(list.always.begin(), list.always.end());
    for (const int token : sources[i]) {
      const auto source = static_cast<size_t>(token);
      own.insert(own.end(), list.candidates.begin() + list.offsets[source],
                 list.candidates.begin() + list.offsets[source + 1]);
    }
    own.insert(own.end(), requests[i]->prefix.begin(), requests[i]->prefix.end());
    std::sort(own.begin(), own.end());
    own.erase(std::unique(own.begin(), own.end()), own.end());
    all.insert(all.end(), own.begin(), own.end());
  }
  std::sort(all.begin(), all.end());
  all.erase(std::unique(all.begin(), all.end()), all.end());
  for (auto& own : words) {
    for (int32_t& word : own)
      word = static_cast<int32_t>(std::lower_bound(all.begin(), all.end(), word) - all.begin());
  }
  output.use_words(all);
}

void Lane::one_step(const TranslateOptions& options) {
  rows.clear();
  queries.clear();
  for (const size_t i : active) {
    const BeamSearch& search = searches[i];
    for (int beam = 0; beam < search.live(); ++beam) {
      rows.push_back({static_cast<uint32_t>(i), search.last_token(beam), beam, search.slots(beam)});
      queries.push_back({search.forced_token(), search.end_allowed(), words[i]});
    }
  }
  const float* states = engine.step(rows);
  output.best(states, queries, 2 * static_cast<size_t>(options.beam),
              static_cast<float>(options.unknown_penalty), &found);
  size_t row = 0;
  for (const size_t i : active) {
    BeamSearch& search = searches[i];
    candidates.clear();
    for (int beam = 0; beam < search.live(); ++beam, ++row) {
      for (const Candidate& candidate : found[row].best)
        candidates.push_back({search.score(beam) + candidate.score, candidate.token, beam});
    }
    const size_t wanted = std::min(candidates.size(), static_cast<size_t>(search.wanted()));
    std::partial_sort(candidates.begin(), candidates.begin() + static_cast<ptrdiff_t>(wanted),
                      candidates.end(), better);
    search.advance({candidates.data(), wanted});
  }
  std::erase_if(active, [&](size_t i) { return searches[i].done(); });
}

void Lane::decode(const TranslateOptions& options, PieceClock* clock) {
  while (!active.empty()) {
    one_step(options);
    ++steps;
    if (clock != nullptr) clock->lap();
  }
}

void Lane::align(const Sentence& sentence, const std::vector<int32_t>& path,
                 Hypothesis* hypothesis) {
  const size_t words_in = sentence.source.size() - 1;
  if (words_in == 0) return;
  for (size_t t = 0; t + 1 < hypothesis->tokens.size(); ++t) {
    const float* weights = engine.attention(sentence, t, path[t]);
    const auto best = std::max_element(weights, weights + words_in) - weights;
    hypothesis->alignment.emplace_back(static_cast<int>(best), static_cast<int>(t));
  }
}

std::vector<Hypothesis> Lane::collect(size_t index, const TranslateOptions& options) {
  std::vector<std::vector<int32_t>> paths;
  auto results = searches[index].results(options.n_best, options.alignment ? &paths : nullptr);
  for (size_t i = 0; i < paths.size(); ++i) align(sentences[index], paths[i], &results[i]);
  // Weights that are not numbers can leave no hypothesis at all.
  if (results.empty()) results.push_back(empty_hypothesis());
  return results;
}

/// Fewer rows a lane than this, and reading the weights once for all is worth more than doing
/// without agreement between threads.
constexpr size_t kLaneRows = 16;

}  // namespace

/// Few sentences are translated by all threads together, each product divided among them. Many are
/// dealt out, a lane a thread: lanes meet only at the end, and what a lane works on stays in the
/// caches of its core.
struct Translator::Impl {
  Impl(std::shared_ptr<const Model> shared, int thread_count)
      : model(std::move(shared)), together(model->network(), thread_count) {}

  std::span<Lane* const> choose_lanes(size_t sentences, size_t beam);
  template <class F>
  void in_all(std::span<Lane* const> chosen, F&& f);

  std::shared_ptr<const Model> model;
  Lane together;
  std::vector<std::unique_ptr<Lane>> own;  ///< of one thread each; made when first needed
  std::vector<Lane*> lanes;
  Timing timing;
};

std::span<Lane* const> Translator::Impl::choose_lanes(size_t sentences, size_t beam) {
  const auto threads = static_cast<size_t>(together.engine.pool().threads());
  lanes.clear();
  if (threads == 1 || sentences < threads || sentences * beam < kLaneRows * threads) {
    lanes.push_back(&together);
    return lanes;
  }
  while (own.size() < threads) own.push_back(std::make_unique<Lane>(model->network(), 1));
  for (const auto& lane : own) lanes.push_back(lane.get());
  return lanes;
}

/// Calls f(index of a lane) for all of them, at the same time where there are several.
template <class F>
void Translator::Impl::in_all(std::span<Lane* const> chosen, F&& f) {
  if (chosen.size() == 1) {
    f(size_t{0});
    return;
  }
  std::vector<std::exception_ptr> errors(chosen.size());
  together.engine.pool().parallel_for(chosen.size(), [&](size_t lane) {
    try {
      f(lane);
    } catch (...) {
      errors[lane] = std::current_exception();
    }
  });
  for (const auto& error : errors) {
    if (error != nullptr) std::rethrow_exception(error);
  }
}

Translator Translator::open(const fs::path& path, int threads) {
  return Translator(Model::load(path), threads);
}

Translator::Translator(std::shared_ptr<const Model> model, int threads)
    : impl_(std::make_unique<Impl>(std::move(model), threads)) {}
Translator::~Translator() = default;
Translator::Translator(Translator&&) noexcept = default;
Translator& Translator::operator=(Translator&&) noexcept = default;

std::vector<Hypothesis> Translator::translate(const std::vector<int>& source,
                                              const TranslateOptions& options) {
  const Request request{source, {}};
  return std::move(translate_batch({&request, 1}, options).front());
}

std::vector<std::vector<Hypothesis>> Translator::translate_batch(std::span<const Request> requests,
                                                                 const TranslateOptions& options) {
  check_options(options);
  Impl& impl = *impl_;
  impl.timing = {};
  if (requests.empty()) return {};
  for (const Request& request : requests) check_request(request, options, impl.model->network());
  const auto lanes = impl.choose_lanes(requests.size(), static_cast<size_t>(options.beam));
  // Dealt out like cards: batches are sorted by length, so lanes get equal shares.
  std::vector<std::vector<const Request*>> shares(lanes.size());
  for (size_t i = 0; i < requests.size(); ++i) shares[i % lanes.size()].push_back(&requests[i]);
  Timing& timing = impl.timing;
  PieceClock clock(&timing);
  impl.in_all(lanes, [&](size_t lane) { lanes[lane]->encode(shares[lane], options); });
  clock.lap();
  // Lanes take their steps each for itself: together they are one piece.
  PieceClock* const steps = lanes.size() == 1 ? &clock : nullptr;
  impl.in_all(lanes, [&](size_t lane) { lanes[lane]->decode(options, steps); });
  if (steps == nullptr) clock.lap();
  std::vector<std::vector<Hypothesis>> out;
  for (size_t i = 0; i < requests.size(); ++i) {
    out.push_back(lanes[i % lanes.size()]->collect(i / lanes.size(), options));
    timing.target_tokens += static_cast<int64_t>(out.back().front().tokens.size());
  }
  clock.extend();
  for (const Lane* lane : lanes) timing.steps = std::max(timing.steps, lane->steps);
  timing.encoder_ms = timing.piece_ms[0];
  timing.encoder_cpu_ms = timing.piece_cpu_ms[0];
  timing.decoder_ms = sum_from(timing.piece_ms, 1);
  timing.decoder_cpu_ms = sum_from(timing.piece_cpu_ms, 1);
  return out;
}

std::vector<float> Translator::logits(const std::vector<int>& source,
                                      const std::vector<int>& target) {
  Impl& impl = *impl_;
  const Network& network = impl.model->network();
  check_tokens(target, network.vocabulary.target, "target");
  HAT_CHECK(target.size() < static_cast<size_t>(network.options.max_positions), ErrorKind::kUsage,
            str("a target of ", target.size(), " tokens is longer than the model's positions"));
  const std::vector<int> clean = clean_source(source, network);
  std::vector<Sentence> sentences(1);
  sentences[0].source = clean;
  sentences[0].max_positions = static_cast<int>(target.size()) + 1;
  Engine& engine = impl.together.engine;
  engine.encode(sentences);
  const auto vocabulary = static_cast<size_t>(network.vocabulary.target);
  std::vector<float> out(target.size() * vocabulary);
  std::vector<int32_t> slots;
  for (size_t t = 0; t < target.size(); ++t) {
    slots.push_back(static_cast<int32_t>(t));
    const Row row{0, t == 0 ? kEnd : target[t - 1], 0, slots};
    const float* states = engine.step({&row, 1});
    impl.together.output.logits(states, 1, out.data() + t * vocabulary);
  }
  return out;
}

const Model& Translator::model() const { return *impl_->model; }
int Translator::threads() const { return impl_->together.engine.pool().threads(); }
const Timing& Translator::timing() const { return impl_->timing; }

std::string moses_alignment(const std::vector<std::pair<int, int>>& alignment) {
  std::string out;
  for (const auto& [source, target] : alignment) {
    if (!out.empty()) out += ' ';
    out += std::to_string(source) + '-' + std::to_string(target);
  }
  return out;
}

}  // namespace hat::edge
