#include "benchmark_corpus.h"

#include <algorithm>

#include "hat/base/rng.h"
#include "hat/data/batch.h"

namespace hat::train {
namespace {

constexpr int kShortest = 4, kLongest = 60;
constexpr double kMeanLength = 24, kLengthDeviation = 9;

int64_t draw_length(double mean, double deviation, Rng& rng) {
  const double length = mean + deviation * rng.normal();
  return std::clamp<int64_t>(static_cast<int64_t>(length), kShortest, kLongest);
}

}  // namespace

BenchmarkCorpus::BenchmarkCorpus(int sentences, arch::Vocabulary vocabulary, uint64_t seed)
    : sentences_(static_cast<size_t>(sentences)) {
  Rng rng(seed, "benchmark");
  const auto fill = [&](std::vector<int64_t>& tokens, int64_t length, int words) {
    for (int64_t i = 1; i < length; ++i) {
      tokens.push_back(data::kFirstPiece +
                       static_cast<int64_t>(rng.below(words - data::kFirstPiece)));
    }
    tokens.push_back(data::kEos);
  };
  for (Sentence& sentence : sentences_) {
    const int64_t length = draw_length(kMeanLength, kLengthDeviation, rng);
    fill(sentence.source, length, vocabulary.source);
    fill(sentence.target, draw_length(static_cast<double>(length), 0.15 * length, rng),
         vocabulary.target);
  }
}

std::vector<const BenchmarkCorpus::Sentence*> BenchmarkCorpus::all() const {
  std::vector<const Sentence*> order;
  for (const Sentence& s : sentences_) order.push_back(&s);
  return order;
}

std::vector<TensorBatch> BenchmarkCorpus::by_length(int batch_tokens) const {
  std::vector<const Sentence*> order = all();
  std::stable_sort(order.begin(), order.end(), [](const Sentence* a, const Sentence* b) {
    return std::pair(a->target.size(), a->source.size()) <
           std::pair(b->target.size(), b->source.size());
  });
  return cut(order, batch_tokens);
}

std::vector<TensorBatch> BenchmarkCorpus::at_random(int batch_tokens) const {
  return cut(all(), batch_tokens);
}

TensorBatch BenchmarkCorpus::pad(const std::vector<const Sentence*>& rows) {
  size_t source = 0, target = 0;
  for (const Sentence* s : rows) {
    source = std::max(source, s->source.size());
    target = std::max(target, s->target.size());
  }
  data::Batch batch;
  batch.rows = static_cast<int64_t>(rows.size());
  batch.source_length = static_cast<int64_t>(source);
  batch.target_length = static_cast<int64_t>(target);
  batch.source.assign(rows.size() * source, data::kPad);
  batch.target.assign(rows.size() * target, data::kPad);
  batch.prev_output.assign(rows.size() * target, data::kPad);
  for (size_t r = 0; r < rows.size(); ++r) {
    const Sentence& s = *rows[r];
    std::copy(s.source.begin(), s.source.end(), batch.source.begin() + r * source);
    std::copy(s.target.begin(), s.target.end(), batch.target.begin() + r * target);
    batch.prev_output[r * target] = data::kEos;
    std::copy(s.target.begin(), s.target.end() - 1, batch.prev_output.begin() + r * target + 1);
    batch.target_tokens += static_cast<int64_t>(s.target.size());
  }
  return to_tensors(batch);
}

std::vector<TensorBatch> BenchmarkCorpus::cut(const std::vector<const Sentence*>& order,
                                              int batch_tokens) {
  std::vector<TensorBatch> batches;
  std::vector<const Sentence*> rows;
  size_t longest = 0;
  for (const Sentence* s : order) {
    const size_t length = std::max({longest, s->source.size(), s->target.size()});
    if (!rows.empty() && (rows.size() + 1) * length > static_cast<size_t>(batch_tokens)) {
      batches.push_back(pad(rows));
      rows.clear();
      longest = 0;
    }
    rows.push_back(s);
    longest = std::max({longest, s->source.size(), s->target.size()});
  }
  if (!rows.empty()) batches.push_back(pad(rows));
  return batches;
}

}  // namespace hat::train
