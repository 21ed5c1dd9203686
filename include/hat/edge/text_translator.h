#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "hat/edge/translator.h"
#include "hat/text/piece_tokenizer.h"

namespace hat::edge {

/// How lines of text are translated. What happens with odd lines is part of the interface: every
/// input line gives exactly one output line; an empty or blank one gives an empty one; bytes that
/// are not UTF-8 and characters the tokenizer does not know become unknown words; a line of more
/// than `segment_tokens` tokens is translated in segments of whole words, joined by blanks.
struct TextOptions {
  TranslateOptions translate;
  std::string prefix;  ///< text that every translation starts with
  int segment_tokens = 200;
  int max_batch = 64;  ///< segments translated together
  /// Memory for the caches of a batch: fewer sentences are taken together when they are long.
  double batch_memory_mb = 8;
  size_t window_lines = 1024;  ///< lines read ahead, to be sorted by length
};

/// One translation of a line.
struct TextResult {
  std::string text;
  float score = 0;        ///< mean over segments
  std::string alignment;  ///< Moses format over words divided by blanks, with options.alignment
};

/// What lines hold.
enum class LineFormat {
  kText,
  kIds,  ///< token ids divided by blanks, the end in the output too: for models without a tokenizer
};

/// Lines in, lines out: a model with its tokenizers.
class TextTranslator {
 public:
  /// Throws kData when lines are text and the model file has no tokenizer, or one that does not fit
  /// the vocabulary.
  TextTranslator(std::shared_ptr<const Model> model, int threads,
                 LineFormat format = LineFormat::kText);

  /// options.translate.n_best results of every line, best first.
  std::vector<std::vector<TextResult>> translate(const std::vector<std::string>& lines,
                                                 const TextOptions& options);

  /// Gives the next line, without its newline; nullopt at the end. With `wait` false, also nullopt
  /// when there is none at the moment.
  using ReadLine = std::function<std::optional<std::string>(bool wait)>;
  /// Takes the results of one line; called in the order of the lines.
  using Emit = std::function<void(const std::vector<TextResult>& results)>;
  /// Translates a stream: what is there is taken, up to a window, sorted by length, batched, and
  /// written in order as soon as it is ready.
  void translate_stream(const ReadLine& read, const TextOptions& options, const Emit& emit);

  const Model& model() const { return translator_.model(); }
  int64_t target_tokens() const { return target_tokens_; }

 private:
  struct Segment;
  struct Line;
  bool is_text() const { return source_tokenizer_.has_value(); }
  std::vector<int> tokens_of(const std::string& line, bool source) const;
  std::string text_of(const Hypothesis& hypothesis) const;
  void split(const std::string& text, size_t line, const TextOptions& options,
             std::vector<Segment>* segments) const;
  size_t batch_end(const std::vector<Segment*>& order, size_t begin,
                   const TextOptions& options) const;
  void translate_batch(std::span<Segment* const> batch, const TextOptions& options);
  std::vector<TextResult> join(std::span<const Segment> segments, const TextOptions& options) const;
  void translate_window(const std::vector<std::string>& lines, const TextOptions& options,
                        const Emit& emit);
  std::string word_alignment(const Segment& segment, const Hypothesis& hypothesis,
                             size_t source_offset, size_t target_offset, size_t* source_words,
                             size_t* target_words) const;

  std::optional<text::PieceTokenizer> source_tokenizer_;  ///< none when lines hold ids
  std::optional<text::PieceTokenizer> target_tokenizer_;
  Translator translator_;
  int64_t target_tokens_ = 0;
};

/// Lines of a file descriptor, read in blocks. A line is at most kMaxLineBytes long; what is beyond
/// is dropped (and logged once).
class DescriptorLines {
 public:
  static constexpr size_t kMaxLineBytes = size_t{1} << 20;
  explicit DescriptorLines(int descriptor) : descriptor_(descriptor) {}
  std::optional<std::string> next(bool wait);

 private:
  bool fill(bool wait);
  std::string take(size_t size, size_t consumed);
  int descriptor_;
  std::string buffer_;
  size_t begin_ = 0;
  bool ended_ = false;
  bool dropping_ = false;
  bool warned_ = false;
};

}  // namespace hat::edge
