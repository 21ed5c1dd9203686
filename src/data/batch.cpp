#include "hat/data/batch.h"

#include <algorithm>
#include <cstdio>
#include <numeric>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/strings.h"

namespace hat::data {
namespace {

int batch_target_length(const TokenDataset& dataset, size_t i) {
  return dataset.kind() == DatasetKind::kPairs ? dataset.target_length(i) : 0;
}

// Stable counting sort by key(i) in [0, max]: linear also for millions of sentences.
template <class Key>
void counting_sort(std::vector<uint32_t>& items, size_t max_key, Key key) {
  std::vector<uint32_t> starts(max_key + 2, 0);
  for (uint32_t i : items) ++starts[key(i) + 1];
  std::partial_sum(starts.begin(), starts.end(), starts.begin());
  std::vector<uint32_t> sorted(items.size());
  for (uint32_t i : items) sorted[starts[key(i)]++] = i;
  items.swap(sorted);
}

uint64_t batch_fingerprint(const TokenDataset& dataset, const BatchOptions& options) {
  uint64_t hash = mix_seed(dataset.fingerprint(), options.seed);
  hash = mix_seed(hash, static_cast<uint64_t>(options.batch_tokens));
  hash = mix_seed(hash, static_cast<uint64_t>(options.max_rows));
  return mix_seed(hash, options.shuffle ? 1 : 0);
}

}  // namespace

BatchPlan::BatchPlan(const TokenDataset& dataset, const BatchOptions& options, uint64_t epoch)
    : epoch_(epoch) {
  HAT_DCHECK(options.batch_tokens > 0 && options.max_rows >= 0);
  HAT_CHECK(dataset.size() > 0, ErrorKind::kData, "the prepared corpus holds no sentences",
            "Check the text files and the limits of the prepare section, then run hat prepare.");
  HAT_CHECK(dataset.size() < (size_t{1} << 32), ErrorKind::kData,
            "more than 4,294,967,295 sentences in one corpus");
  sentences_.resize(dataset.size());
  std::iota(sentences_.begin(), sentences_.end(), 0u);
  Rng rng(mix_seed(options.seed, epoch), "batches");
  if (options.shuffle) rng.shuffle(sentences_);

  size_t longest_source = 0;
  size_t longest_target = 0;
  for (size_t i = 0; i < dataset.size(); ++i) {
    longest_source = std::max<size_t>(longest_source, dataset.source_length(i));
    longest_target = std::max<size_t>(longest_target, batch_target_length(dataset, i));
  }
  // Neighbours in this order differ little in either length: where the target grows by one, the
  // source goes on from the length that it had reached instead of starting again at the shortest.
  counting_sort(sentences_, longest_source, [&](uint32_t i) {
    const size_t length = dataset.source_length(i);
    return batch_target_length(dataset, i) % 2 == 0 ? length : longest_source - length;
  });
  counting_sort(sentences_, longest_target,
                [&](uint32_t i) { return static_cast<size_t>(batch_target_length(dataset, i)); });
  cut(dataset, options);
  order_.resize(starts_.size() - 1);
  std::iota(order_.begin(), order_.end(), 0u);
  if (options.shuffle) rng.shuffle(order_);
}

void BatchPlan::cut(const TokenDataset& dataset, const BatchOptions& options) {
  uint64_t cells = 0;
  uint64_t tokens = 0;
  int64_t source_length = 0;
  int64_t target_length = 0;
  int64_t rows = 0;
  starts_.push_back(0);
  const auto close = [&](size_t end) {
    cells += static_cast<uint64_t>(rows * (source_length + target_length));
    starts_.push_back(static_cast<uint32_t>(end));
  };
  for (size_t k = 0; k < sentences_.size(); ++k) {
    const int64_t source = dataset.source_length(sentences_[k]);
    const int64_t target = batch_target_length(dataset, sentences_[k]);
    const int64_t longest = std::max({source_length, target_length, source, target});
    const bool full = rows > 0 && ((rows + 1) * longest > options.batch_tokens ||
                                   (options.max_rows > 0 && rows == options.max_rows));
    if (full) {
      close(k);
      rows = source_length = target_length = 0;
    }
    ++rows;
    source_length = std::max(source_length, source);
    target_length = std::max(target_length, target);
    tokens += static_cast<uint64_t>(source + target);
  }
  close(sentences_.size());
  padding_share_ = 1.0 - static_cast<double>(tokens) / static_cast<double>(cells);
}

std::span<const uint32_t> BatchPlan::batch(size_t position) const {
  HAT_DCHECK(position < order_.size());
  const uint32_t b = order_[position];
  return {sentences_.data() + starts_[b], starts_[b + 1] - starts_[b]};
}

std::string BatchCursor::to_string() const {
  char hex[17];
  std::snprintf(hex, sizeof(hex), "%016llx", static_cast<unsigned long long>(fingerprint));
  return str(epoch, ":", position, ":", hex);
}

BatchCursor BatchCursor::parse(const std::string& text) {
  const std::vector<std::string> parts = split(text, ':');
  BatchCursor cursor;
  int64_t epoch = 0;
  int64_t position = 0;
  bool good = parts.size() == 3 && parse_int(parts[0], &epoch) && parse_int(parts[1], &position) &&
              epoch >= 0 && position >= 0 && parts[2].size() == 16;
  for (char c : good ? parts[2] : std::string()) {
    const int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    good = good && digit >= 0;
    cursor.fingerprint = cursor.fingerprint << 4 | static_cast<uint64_t>(digit & 15);
  }
  HAT_CHECK(good, ErrorKind::kData, str("'", text, "' is no position in the training data"),
            "The checkpoint is damaged; resume from an earlier one.");
  cursor.epoch = static_cast<uint64_t>(epoch);
  cursor.position = static_cast<uint64_t>(position);
  return cursor;
}

BatchIterator::BatchIterator(const TokenDataset& dataset, const BatchOptions& options)
    : dataset_(dataset),
      options_(options),
      fingerprint_(batch_fingerprint(dataset, options)),
      plan_(dataset_, options_, 0) {}

std::span<const uint32_t> BatchIterator::next() {
  if (position_ == plan_.size()) {
    plan_ = BatchPlan(dataset_, options_, plan_.epoch() + 1);
    position_ = 0;
  }
  return plan_.batch(position_++);
}

BatchCursor BatchIterator::cursor() const { return {plan_.epoch(), position_, fingerprint_}; }

void BatchIterator::seek(const BatchCursor& cursor) {
  HAT_CHECK(cursor.fingerprint == fingerprint_, ErrorKind::kData,
            "the checkpoint was made with other data or another batch size",
            "Resume with the data and options it was made with, or start anew.");
  if (cursor.epoch != plan_.epoch()) plan_ = BatchPlan(dataset_, options_, cursor.epoch);
  HAT_CHECK(cursor.position <= plan_.size(), ErrorKind::kData,
            str("the checkpoint points at batch ", cursor.position, " of ", plan_.size()),
            "The checkpoint is damaged; resume from an earlier one.");
  position_ = cursor.position;
}

namespace {

int64_t checked(int id, int vocabulary) {
  HAT_CHECK(id >= 0 && id < vocabulary, ErrorKind::kData,
            str("token id ", id, " in a corpus with a vocabulary of ", vocabulary),
            "The corpus is damaged; run hat prepare again.");
  return id;
}

}  // namespace

Batch make_batch(const TokenDataset& dataset, std::span<const uint32_t> sentences) {
  const bool pairs = dataset.kind() == DatasetKind::kPairs;
  Batch b;
  b.rows = static_cast<int64_t>(sentences.size());
  for (uint32_t i : sentences) {
    b.source_length = std::max<int64_t>(b.source_length, dataset.source_length(i));
    if (pairs) b.target_length = std::max<int64_t>(b.target_length, dataset.target_length(i));
  }
  b.source.assign(static_cast<size_t>(b.rows * b.source_length), kPad);
  b.target.assign(static_cast<size_t>(b.rows * b.target_length), kPad);
  b.prev_output.assign(b.target.size(), kPad);
  for (size_t row = 0; row < sentences.size(); ++row) {
    const TokenSpan source = dataset.source(sentences[row]);
    const TokenSpan target = dataset.target(sentences[row]);
    int64_t* to = b.source.data() + row * static_cast<size_t>(b.source_length);
    for (size_t t = 0; t < source.size(); ++t) {
      to[t] = checked(source[t], dataset.source_vocabulary());
    }
    b.source_tokens += static_cast<int64_t>(source.size());
    if (!pairs) {
      b.labels.push_back(checked(target[0], dataset.target_vocabulary()));
      continue;
    }
    int64_t* out = b.target.data() + row * static_cast<size_t>(b.target_length);
    int64_t* previous = b.prev_output.data() + row * static_cast<size_t>(b.target_length);
    previous[0] = kEos;
    for (size_t t = 0; t < target.size(); ++t) {
      out[t] = checked(target[t], dataset.target_vocabulary());
      if (t + 1 < target.size()) previous[t + 1] = out[t];
    }
    b.target_tokens += static_cast<int64_t>(target.size());
  }
  return b;
}

}  // namespace hat::data
