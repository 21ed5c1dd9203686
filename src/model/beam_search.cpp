#include "hat/model/beam_search.h"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>

#include "hat/base/error.h"
#include "hat/model/batch.h"
#include "model/decoder_state.h"

namespace hat::model {
namespace {

/// A live hypothesis.
struct Live {
  std::vector<int32_t> tokens;
  std::vector<float> token_scores;
  float sum = 0;  ///< of log-probabilities; fp32 as in fairseq, whose order of ties it decides
};

struct Sentence {
  size_t index = 0;  ///< in the caller's order
  int max_length = 0;
  std::vector<Live> live;  ///< `beam` of them
  std::vector<Hypothesis> finished;
};

/// One continuation proposed by the step.
struct Candidate {
  float sum = 0;
  int beam = 0;
  int64_t token = 0;
};

double normalised(float sum, size_t length, double penalty) {
  return static_cast<double>(sum) / std::pow(static_cast<double>(length), penalty);
}

/// fairseq's BeamSearch.step: 2 * beam best continuations over all hypotheses of a sentence, so
/// that `beam` are left when as many end in eos. At the first step all hypotheses are equal; one
/// counts.
std::vector<std::vector<Candidate>> propose(const at::Tensor& log_probabilities,
                                            const std::vector<Sentence>& sentences, int beam,
                                            bool first) {
  const auto count = static_cast<int64_t>(sentences.size());
  const int64_t vocabulary = log_probabilities.size(1);
  std::vector<float> sums;
  for (const Sentence& s : sentences)
    for (const Live& live : s.live) sums.push_back(live.sum);
  at::Tensor scores =
      (log_probabilities + at::tensor(sums, at::kFloat).to(log_probabilities.device()).unsqueeze(1))
          .view({count, beam, vocabulary});
  if (first) scores = scores.narrow(1, 0, 1);
  const int64_t wanted = std::min<int64_t>(2 * beam, scores.size(1) * vocabulary - 1);
  const auto [values, places] = scores.reshape({count, -1}).topk(wanted, 1);
  const at::Tensor value_rows = values.to(at::kCPU).contiguous();
  const at::Tensor place_rows = places.to(at::kCPU).contiguous();
  std::vector<std::vector<Candidate>> out(sentences.size());
  for (int64_t s = 0; s < count; ++s) {
    for (int64_t c = 0; c < wanted; ++c) {
      const int64_t place = place_rows.data_ptr<int64_t>()[s * wanted + c];
      out[static_cast<size_t>(s)].push_back({value_rows.data_ptr<float>()[s * wanted + c],
                                             static_cast<int>(place / vocabulary),
                                             place % vocabulary});
    }
  }
  return out;
}

class Search {
 public:
  Search(Transformer& network, const BeamOptions& options) : net_(network), options_(options) {}

  std::vector<std::vector<Hypothesis>> run(const std::vector<std::vector<int32_t>>& sources) {
    start(sources);
    if (options_.after_piece) options_.after_piece();
    std::vector<std::vector<Hypothesis>> results(sources.size());
    int longest = 0;
    for (const Sentence& s : sentences_) longest = std::max(longest, s.max_length);
    for (int step = 0; step <= longest && !sentences_.empty(); ++step) {
      advance(step, &results);
      if (options_.after_piece) options_.after_piece();
    }
    HAT_DCHECK(sentences_.empty());
    return results;
  }

 private:
  void start(const std::vector<std::vector<int32_t>>& sources) {
    std::vector<std::span<const int32_t>> spans(sources.begin(), sources.end());
    const EncoderOutput encoded = net_.encode(pad_tokens(spans, true));
    state_ = net_.start_decoding(encoded, options_.beam);
    for (size_t i = 0; i < sources.size(); ++i) {
      Sentence s;
      s.index = i;
      s.max_length = options_.max_length + static_cast<int>(options_.max_length_factor *
                                                            static_cast<double>(sources[i].size()));
      s.live.resize(static_cast<size_t>(options_.beam));
      sentences_.push_back(std::move(s));
    }
    const size_t rows = sources.size() * static_cast<size_t>(options_.beam);
    tokens_.assign(rows, kEosId);
    for (size_t r = 0; r < rows; ++r) parents_.push_back(static_cast<int64_t>(r));
  }

  at::Tensor log_probabilities(int step) {
    at::Tensor lp = at::log_softmax(net_.decode_step(*state_, tokens_, parents_), 1);
    const float never = -std::numeric_limits<float>::infinity();
    lp.select(1, kPadId).fill_(never);
    if (step < options_.min_length) lp.select(1, kEosId).fill_(never);
    for (size_t s = 0; s < sentences_.size(); ++s) {
      if (step < sentences_[s].max_length) continue;
      // Only eos may follow; its probability stays what it is.
      at::Tensor rows = lp.narrow(0, static_cast<int64_t>(s) * options_.beam, options_.beam);
      const at::Tensor eos = rows.select(1, kEosId).clone();
      rows.fill_(never);
      rows.select(1, kEosId).copy_(eos);
    }
    return lp;
  }

  void advance(int step, std::vector<std::vector<Hypothesis>>* results) {
    const at::Tensor lp = log_probabilities(step);
    const auto proposals = propose(lp, sentences_, options_.beam, step == 0);
    std::vector<Sentence> next;
    tokens_.clear();
    std::vector<int64_t> parents;
    for (size_t s = 0; s < sentences_.size(); ++s) {
      Sentence& sentence = sentences_[s];
      const auto chosen = finish(&sentence, proposals[s]);
      if (static_cast<int>(sentence.finished.size()) >= options_.beam || chosen.empty()) {
        (*results)[sentence.index] = ranked(std::move(sentence.finished));
        continue;
      }
      std::vector<Live> live;
      for (const Candidate& c : chosen) {
        const Live& parent = sentence.live[static_cast<size_t>(c.beam)];
        Live child = parent;
        child.tokens.push_back(static_cast<int32_t>(c.token));
        child.token_scores.push_back(c.sum - parent.sum);
        child.sum = c.sum;
        live.push_back(std::move(child));
        tokens_.push_back(c.token);
        parents.push_back(static_cast<int64_t>(s) * options_.beam + c.beam);
      }
      sentence.live = std::move(live);
      next.push_back(std::move(sentence));
    }
    sentences_ = std::move(next);
    parents_ = std::move(parents);
  }

  /// Moves what ends among the best `beam` candidates to `finished`; returns the `beam` best that
  /// go on (empty when none can).
  std::vector<Candidate> finish(Sentence* sentence, const std::vector<Candidate>& candidates) {
    std::vector<Candidate> going;
    for (size_t c = 0; c < candidates.size(); ++c) {
      const Candidate& candidate = candidates[c];
      if (!std::isfinite(candidate.sum)) continue;
      if (candidate.token != kEosId) {
        if (static_cast<int>(going.size()) < options_.beam) going.push_back(candidate);
        continue;
      }
      if (static_cast<int>(c) >= options_.beam ||
          static_cast<int>(sentence->finished.size()) >= options_.beam)
        continue;
      const Live& parent = sentence->live[static_cast<size_t>(candidate.beam)];
      Hypothesis done;
      done.tokens = parent.tokens;
      done.tokens.push_back(static_cast<int32_t>(kEosId));
      done.token_scores = parent.token_scores;
      done.token_scores.push_back(candidate.sum - parent.sum);
      done.score = normalised(candidate.sum, done.tokens.size(), options_.length_penalty);
      sentence->finished.push_back(std::move(done));
    }
    if (going.empty()) return going;
    // Fewer than `beam` can go on only with a tiny vocabulary: the last one fills the places, dead.
    while (static_cast<int>(going.size()) < options_.beam) {
      going.push_back(going.back());
      going.back().sum = -std::numeric_limits<float>::infinity();
    }
    return going;
  }

  static std::vector<Hypothesis> ranked(std::vector<Hypothesis> hypotheses) {
    std::stable_sort(hypotheses.begin(), hypotheses.end(),
                     [](const Hypothesis& a, const Hypothesis& b) { return a.score > b.score; });
    return hypotheses;
  }

  Transformer& net_;
  BeamOptions options_;
  std::shared_ptr<Transformer::DecoderState> state_;
  std::vector<Sentence> sentences_;
  std::vector<int64_t> tokens_;
  std::vector<int64_t> parents_;
};

}  // namespace

std::vector<std::vector<Hypothesis>> beam_search(Transformer& network,
                                                 const std::vector<std::vector<int32_t>>& sources,
                                                 const BeamOptions& options) {
  HAT_CHECK(options.beam >= 1 && options.max_length >= 1 && options.min_length >= 0,
            ErrorKind::kUsage, "beam and maximum length must be at least 1");
  if (sources.empty()) return {};
  const at::NoGradGuard no_grad;
  return Search(network, options).run(sources);
}

}  // namespace hat::model
