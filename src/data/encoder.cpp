#include "data/encoder.h"

#include <algorithm>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::data {

SplitEncoder::SplitEncoder(std::string name, const fs::path& folder, const Rules& rules,
                           text::PieceTokenizer source, text::PieceTokenizer target)
    : rules_(rules),
      source_(source),
      target_(target),
      writer_(folder / name, DatasetKind::kPairs, source.size(), target.size()) {
  report_.name = std::move(name);
}

SplitEncoder::SplitEncoder(std::string name, const fs::path& folder, const Rules& rules,
                           text::PieceTokenizer source, int classes)
    : rules_(rules),
      source_(source),
      writer_(folder / name, DatasetKind::kLabelled, source.size(), classes) {
  report_.name = std::move(name);
}

std::vector<int> SplitEncoder::encode(const text::PieceTokenizer& tokenizer,
                                      std::string_view text) {
  std::vector<int> ids = tokenizer.encode(text);
  ids.push_back(kEos);
  return ids;
}

bool SplitEncoder::within_limit(std::vector<int>& ids) {
  if (ids.size() <= rules_.max_tokens) return true;
  if (!rules_.keep_every_line) return false;
  ids.resize(rules_.max_tokens);
  ids.back() = kEos;
  return true;
}

void SplitEncoder::add_pair(std::string_view source_text, std::string_view target_text) {
  ++report_.read;
  std::vector<int> source = encode(source_, source_text);
  std::vector<int> target = encode(*target_, target_text);
  if (!rules_.keep_every_line && (source.size() == 1 || target.size() == 1)) {
    ++report_.dropped.empty;
    return;
  }
  if (!within_limit(source) || !within_limit(target)) {
    ++report_.dropped.too_long;
    return;
  }
  const size_t shorter = std::min(source.size(), target.size());
  const size_t longer = std::max(source.size(), target.size());
  if (rules_.check_ratio &&
      static_cast<double>(longer) > rules_.max_ratio * static_cast<double>(shorter)) {
    ++report_.dropped.ratio;
    return;
  }
  report_.unknown += static_cast<uint64_t>(std::count(source.begin(), source.end(), kUnk) +
                                           std::count(target.begin(), target.end(), kUnk));
  report_.source.add(source.size());
  report_.target.add(target.size());
  report_.pairs.add(source.size(), target.size());
  writer_.add(source, target);
}

void SplitEncoder::add_labelled(std::string_view text, int label) {
  ++report_.read;
  std::vector<int> ids = encode(source_, text);
  if (!rules_.keep_every_line && ids.size() == 1) {
    ++report_.dropped.empty;
    return;
  }
  if (!within_limit(ids)) {
    ++report_.dropped.too_long;
    return;
  }
  report_.unknown += static_cast<uint64_t>(std::count(ids.begin(), ids.end(), kUnk));
  report_.source.add(ids.size());
  report_.target.add(1);
  writer_.add(ids, {label});
}

PreparedSplit SplitEncoder::finish() {
  report_.kept = writer_.size();
  HAT_CHECK(
      report_.kept > 0, ErrorKind::kData,
      str("nothing is left of ", report_.name, ": all ", with_commas(report_.read),
          " sentences were dropped (", report_.dropped.empty, " empty, ", report_.dropped.too_long,
          " too long, ", report_.dropped.ratio, " with too unequal lengths)"),
      "Raise prepare.max_tokens_per_sentence or prepare.max_length_ratio, or check that the files "
      "belong together.");
  report_.fingerprint = writer_.fingerprint();
  writer_.finish();
  return report_;
}

}  // namespace hat::data
