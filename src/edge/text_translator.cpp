#include "hat/edge/text_translator.h"

#include <algorithm>
#include <numeric>
#include <set>

#include "edge/network.h"
#include "edge/tokens.h"
#include "hat/base/error.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"

namespace hat::edge {
namespace {

constexpr std::string_view kWordStart = "\xe2\x96\x81";  // U+2581

text::PieceTokenizer load_tokenizer(std::string_view bytes, int vocabulary, const char* side) {
  HAT_CHECK(!bytes.empty(), ErrorKind::kData,
            str("the model file has no tokenizer for its ", side, " language"),
            "export it with `hat export`, which puts the tokenizer inside");
  const std::string origin = str(side, " tokenizer of the model file");
  auto tokenizer = text::PieceTokenizer::from_bytes(bytes, origin);
  tokenizer.check_special_ids(origin);
  HAT_CHECK(tokenizer.size() <= vocabulary, ErrorKind::kData,
            str(origin, ": has ", tokenizer.size(), " pieces for a vocabulary of ", vocabulary),
            "model and tokenizer belong to different runs: export again");
  return tokenizer;
}

}  // namespace

struct TextTranslator::Segment {
  size_t line = 0;
  std::vector<int> tokens;  ///< without the end
  std::vector<Hypothesis> results;
};

TextTranslator::TextTranslator(std::shared_ptr<const Model> model, int threads, LineFormat format)
    : translator_(std::move(model), threads) {
  if (format == LineFormat::kIds) return;
  const Model& m = this->model();
  source_tokenizer_ = load_tokenizer(m.source_tokenizer(), m.vocabulary().source, "source");
  const bool joint = m.target_tokenizer().data() == m.source_tokenizer().data();
  target_tokenizer_ = joint ? source_tokenizer_
                            : load_tokenizer(m.target_tokenizer(), m.vocabulary().target, "target");
}

/// Without the end.
std::vector<int> TextTranslator::tokens_of(const std::string& line, bool source) const {
  if (is_text()) return (source ? source_tokenizer_ : target_tokenizer_)->encode(line);
  std::vector<int> ids;
  for (const auto& word : split_words(line)) {
    int64_t id = 0;
    HAT_CHECK(parse_int(word, &id) && id >= 0 && id <= INT32_MAX, ErrorKind::kData,
              "'" + word.substr(0, 40) + "' is no token id", "lines must hold numbers");
    ids.push_back(static_cast<int>(id));
  }
  if (!ids.empty() && ids.back() == kEnd) ids.pop_back();
  return ids;
}

std::string TextTranslator::text_of(const Hypothesis& hypothesis) const {
  std::string out;
  if (!is_text()) {
    for (const int token : hypothesis.tokens) {
      if (!out.empty()) out += ' ';
      out += std::to_string(token);
    }
    return out;
  }
  std::vector<int> tokens(hypothesis.tokens.begin(), hypothesis.tokens.end() - 1);
  for (int& token : tokens) {
    // A vocabulary may be padded beyond the tokenizer's pieces.
    if (token >= target_tokenizer_->size()) token = kUnknown;
  }
  // One output line an input line, whatever the vocabulary holds.
  for (const char c : target_tokenizer_->decode(tokens)) out += c == '\n' || c == '\r' ? ' ' : c;
  return out;
}

void TextTranslator::split(const std::string& text, size_t line, const TextOptions& options,
                           std::vector<Segment>* segments) const {
  if (text.find_first_not_of(" \t\v\f\r\n") == std::string::npos) return;
  const std::vector<int> tokens = tokens_of(text, true);
  const size_t positions = static_cast<size_t>(model().options().max_positions) - 1;
  const size_t longest =
      std::clamp<size_t>(static_cast<size_t>(std::max(1, options.segment_tokens)), 1, positions);
  size_t begin = 0;
  while (begin < tokens.size()) {
    size_t end = std::min(tokens.size(), begin + longest);
    if (end < tokens.size() && is_text()) {
      // Back to the start of a word, unless the word fills half of the segment.
      size_t cut = end;
      while (cut > begin + longest / 2 &&
             !source_tokenizer_->piece(tokens[cut]).starts_with(kWordStart))
        --cut;
      if (cut > begin + longest / 2) end = cut;
    }
    segments->push_back({line,
                         {tokens.begin() + static_cast<ptrdiff_t>(begin),
                          tokens.begin() + static_cast<ptrdiff_t>(end)},
                         {}});
    begin = end;
  }
}

size_t TextTranslator::batch_end(const std::vector<Segment*>& order, size_t begin,
                                 const TextOptions& options) const {
  const Network& network = model().network();
  double row = 0;    // bytes of one target position of one hypothesis
  double cross = 0;  // bytes of one source position
  for (const auto& block : network.decoder) {
    row += 8.0 * block.self_qkv_dim;
    cross += 8.0 * block.cross_qkv_dim * static_cast<double>(block.memory.size());
  }
  const auto& limits = options.translate;
  double used = 0;
  size_t end = begin;
  while (end < order.size() && end - begin < static_cast<size_t>(options.max_batch)) {
    const double source = static_cast<double>(order[end]->tokens.size()) + 1;
    const double target = std::min(limits.max_length_a * source + limits.max_length_b,
                                   1.3 * source + 8);  // what translations usually need
    used += limits.beam * target * row + source * cross;
    if (end > begin && used > options.batch_memory_mb * 1e6) break;
    ++end;
  }
  return end;
}

void TextTranslator::translate_batch(std::span<Segment* const> batch, const TextOptions& options) {
  const std::vector<int> prefix = tokens_of(options.prefix, false);
  std::vector<Request> requests;
  for (const Segment* segment : batch) requests.push_back({segment->tokens, prefix});
  auto results = translator_.translate_batch(requests, options.translate);
  for (size_t i = 0; i < batch.size(); ++i) batch[i]->results = std::move(results[i]);
  target_tokens_ += translator_.timing().target_tokens;
}

std::string TextTranslator::word_alignment(const Segment& segment, const Hypothesis& hypothesis,
                                           size_t source_offset, size_t target_offset,
                                           size_t* source_words, size_t* target_words) const {
  const auto word_indices = [](const std::optional<text::PieceTokenizer>& tokenizer,
                               std::span<const int> tokens, size_t* words) {
    std::vector<size_t> indices;
    for (const int token : tokens) {
      const bool starts = !tokenizer || (token < tokenizer->size() &&
                                         tokenizer->piece(token).starts_with(kWordStart));
      if (starts || *words == 0) ++*words;
      indices.push_back(*words - 1);
    }
    return indices;
  };
  *source_words = 0;
  *target_words = 0;
  const auto source = word_indices(source_tokenizer_, segment.tokens, source_words);
  const std::span<const int> tokens(hypothesis.tokens.data(), hypothesis.tokens.size() - 1);
  const auto target = word_indices(target_tokenizer_, tokens, target_words);
  std::set<std::pair<int, int>> pairs;
  for (const auto& [s, t] : hypothesis.alignment) {
    pairs.emplace(static_cast<int>(source_offset + source[static_cast<size_t>(s)]),
                  static_cast<int>(target_offset + target[static_cast<size_t>(t)]));
  }
  return moses_alignment({pairs.begin(), pairs.end()});
}

std::vector<TextResult> TextTranslator::join(std::span<const Segment> segments,
                                             const TextOptions& options) const {
  std::vector<TextResult> out;
  size_t count = segments.empty() ? 1 : segments.front().results.size();
  for (const Segment& segment : segments) count = std::min(count, segment.results.size());
  for (size_t n = 0; n < count; ++n) {
    TextResult result;
    size_t source_offset = 0;
    size_t target_offset = 0;
    for (const Segment& segment : segments) {
      const Hypothesis& hypothesis = segment.results[n];
      const std::string text = text_of(hypothesis);
      if (!result.text.empty() && !text.empty()) result.text += ' ';
      result.text += text;
      result.score += hypothesis.score / static_cast<float>(segments.size());
      if (options.translate.alignment) {
        size_t source_words = 0;
        size_t target_words = 0;
        const std::string pairs = word_alignment(segment, hypothesis, source_offset, target_offset,
                                                 &source_words, &target_words);
        if (!result.alignment.empty() && !pairs.empty()) result.alignment += ' ';
        result.alignment += pairs;
        source_offset += source_words;
        target_offset += target_words;
      }
    }
    out.push_back(std::move(result));
  }
  return out;
}

void TextTranslator::translate_window(const std::vector<std::string>& lines,
                                      const TextOptions& options, const Emit& emit) {
  std::vector<Segment> segments;
  for (size_t line = 0; line < lines.size(); ++line) split(lines[line], line, options, &segments);
  std::vector<Segment*> order;
  for (Segment& segment : segments) order.push_back(&segment);
  // Longest first: a batch of equal lengths finishes together.
  std::stable_sort(order.begin(), order.end(), [](const Segment* a, const Segment* b) {
    return a->tokens.size() > b->tokens.size();
  });
  std::vector<size_t> first(lines.size() + 1, 0);
  for (const Segment& segment : segments) ++first[segment.line + 1];
  std::partial_sum(first.begin(), first.end(), first.begin());

  size_t emitted = 0;
  const auto emit_ready = [&] {
    while (emitted < lines.size()) {
      const std::span<const Segment> own(segments.data() + first[emitted],
                                         first[emitted + 1] - first[emitted]);
      const bool ready =
          std::all_of(own.begin(), own.end(), [](const Segment& s) { return !s.results.empty(); });
      if (!ready) return;
      emit(join(own, options));
      ++emitted;
    }
  };
  for (size_t begin = 0; begin < order.size();) {
    throw_if_stopped();
    const size_t end = batch_end(order, begin, options);
    translate_batch({order.data() + begin, end - begin}, options);
    begin = end;
    emit_ready();
  }
  emit_ready();
}

std::vector<std::vector<TextResult>> TextTranslator::translate(
    const std::vector<std::string>& lines, const TextOptions& options) {
  std::vector<std::vector<TextResult>> out;
  translate_window(lines, options,
                   [&](const std::vector<TextResult>& results) { out.push_back(results); });
  return out;
}

void TextTranslator::translate_stream(const ReadLine& read, const TextOptions& options,
                                      const Emit& emit) {
  const size_t window = std::max<size_t>(1, options.window_lines);
  std::vector<std::string> lines;
  while (auto line = read(true)) {
    lines.clear();
    while (line) {
      lines.push_back(std::move(*line));
      line = lines.size() < window ? read(false) : std::nullopt;
    }
    translate_window(lines, options, emit);
  }
}

}  // namespace hat::edge
