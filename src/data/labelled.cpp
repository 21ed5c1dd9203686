#include "hat/data/labelled.h"

#include <algorithm>
#include <set>
#include <unordered_set>

#include "hat/base/error.h"
#include "hat/base/rng.h"
#include "hat/base/stop.h"
#include "hat/base/strings.h"

namespace hat::data {
namespace {

constexpr size_t kMostClasses = 1000;
constexpr size_t kMostDistinctWords = 1'000'000;

struct Columns {
  std::string_view first;
  std::string_view last;
};

// The label has no tab, the text may: split at the first tab for one order, at the last for the
// other.
Columns split_line(std::string_view line, bool label_first, const LineReader& reader) {
  const size_t tab = label_first ? line.find('\t') : line.rfind('\t');
  HAT_CHECK(tab != std::string_view::npos, ErrorKind::kData,
            str(reader.path().string(), ": line ", reader.line_number(), " has no tab"),
            "Each line is a label, a tab and a text (or a text, a tab and a label).");
  return {line.substr(0, tab), line.substr(tab + 1)};
}

bool is_header(const Columns& c) {
  const std::string a = to_lower_ascii(trim(c.first));
  const std::string b = to_lower_ascii(trim(c.last));
  const auto names_label = [](const std::string& s) { return s == "label" || s == "class"; };
  const auto names_text = [](const std::string& s) { return s == "text" || s == "sentence"; };
  return (names_label(a) && names_text(b)) || (names_text(a) && names_label(b));
}

// Distinct values of one column, given up beyond the largest number of classes.
class DistinctValues {
 public:
  void add(std::string_view value) {
    ++lines_;
    if (values_.size() <= kMostClasses) values_.insert(std::string(trim(value)));
  }
  // A column in which every line differs is text.
  bool usable() const {
    return values_.size() >= 2 && values_.size() <= kMostClasses && values_.size() < lines_ &&
           !values_.contains("");
  }
  const std::set<std::string>& values() const { return values_; }

 private:
  std::set<std::string> values_;
  uint64_t lines_ = 0;
};

LabelledSummary read_split(const fs::path& path, const LabelScheme& scheme,
                           std::vector<uint64_t>* hashes, std::unordered_set<uint64_t>* words) {
  LabelledSummary summary;
  summary.per_class.resize(scheme.labels.size());
  LabelledReader reader(path, scheme);
  std::string_view text;
  int label = 0;
  while (reader.next(&text, &label)) {
    if (summary.examples++ % 4096 == 0) throw_if_stopped();
    summary.bytes += text.size();
    summary.empty += trim(text).empty();
    ++summary.per_class[static_cast<size_t>(label)];
    const std::vector<std::string> split = split_words(text);
    summary.words.add(split.size());
    hashes->push_back(hash64(trim(text)));
    if (words == nullptr || words->size() >= kMostDistinctWords) continue;
    for (const std::string& word : split) words->insert(hash64(word));
  }
  HAT_CHECK(summary.examples > summary.empty, ErrorKind::kData,
            str(path.string(), ": no line has a text"), "Give labelled text, one example a line.");
  return summary;
}

void check_distinct_files(const LabelledFiles& files) {
  std::vector<fs::path> paths = {files.train};
  if (files.valid) paths.push_back(*files.valid);
  if (files.test) paths.push_back(*files.test);
  for (const fs::path& path : paths) {
    LineReader exists(path);
    HAT_CHECK(fs::file_size(path) > 0, ErrorKind::kData, str(path.string(), ": the file is empty"),
              "Give labelled text, one example a line.");
  }
  for (size_t i = 0; i < paths.size(); ++i) {
    for (size_t j = 0; j < i; ++j) {
      HAT_CHECK(!fs::equivalent(paths[i], paths[j]), ErrorKind::kData,
                str(paths[i].string(), ": one file is given for two splits"),
                "Train, validation and test need files of their own.");
    }
  }
}

}  // namespace

int LabelScheme::index(std::string_view label) const {
  const auto found = std::lower_bound(labels.begin(), labels.end(), label);
  return found != labels.end() && *found == label ? static_cast<int>(found - labels.begin()) : -1;
}

LabelScheme find_labels(const fs::path& train) {
  DistinctValues first;
  DistinctValues last;
  LabelScheme scheme;
  LineReader reader(train);
  std::string_view line;
  while (reader.next(&line)) {
    const Columns by_first = split_line(line, true, reader);
    if (reader.line_number() == 1 && is_header(by_first)) {
      scheme.has_header = true;
      continue;
    }
    first.add(by_first.first);
    last.add(split_line(line, false, reader).last);
  }
  const bool both = first.usable() && last.usable();
  scheme.label_first = both ? first.values().size() <= last.values().size() : first.usable();
  const DistinctValues& chosen = scheme.label_first ? first : last;
  HAT_CHECK(chosen.usable(), ErrorKind::kData,
            str(train.string(), ": no column holds 2 to ", with_commas(kMostClasses), " labels"),
            "Each line is a label, a tab and a text (or a text, a tab and a label).");
  scheme.labels.assign(chosen.values().begin(), chosen.values().end());
  return scheme;
}

LabelledReader::LabelledReader(const fs::path& path, const LabelScheme& scheme)
    : reader_(path), scheme_(scheme) {}

bool LabelledReader::next(std::string_view* text, int* label) {
  std::string_view line;
  if (!reader_.next(&line)) return false;
  Columns columns = split_line(line, scheme_.label_first, reader_);
  if (reader_.line_number() == 1 && is_header(columns)) {
    if (!reader_.next(&line)) return false;
    columns = split_line(line, scheme_.label_first, reader_);
  }
  const std::string_view name = trim(scheme_.label_first ? columns.first : columns.last);
  *text = scheme_.label_first ? columns.last : columns.first;
  *label = scheme_.index(name);
  HAT_CHECK(*label >= 0, ErrorKind::kData,
            str(reader_.path().string(), ": line ", reader_.line_number(), " has the label '", name,
                "', which the training text does not have"),
            str("Known are: ", join(scheme_.labels, ", "), "."));
  return true;
}

LabelledCorpusSummary inspect(const LabelledFiles& files) {
  check_distinct_files(files);
  LabelledCorpusSummary result;
  result.scheme = find_labels(files.train);
  std::vector<uint64_t> train_hashes;
  std::unordered_set<uint64_t> words;
  result.train = read_split(files.train, result.scheme, &train_hashes, &words);
  result.distinct_words = words.size();
  const std::unordered_set<uint64_t> seen(train_hashes.begin(), train_hashes.end());
  const auto held_out = [&](const char* name, const fs::path& path) {
    std::vector<uint64_t> hashes;
    LabelledSummary s = read_split(path, result.scheme, &hashes, nullptr);
    HAT_CHECK(hashes != train_hashes, ErrorKind::kData,
              str(path.string(), ": ", name, " and train are the same text"),
              "Scores on the training text mean nothing; give other examples.");
    s.seen_in_train = static_cast<uint64_t>(std::count_if(
        hashes.begin(), hashes.end(), [&](uint64_t hash) { return seen.contains(hash); }));
    if (s.seen_in_train > 0) {
      result.warnings.push_back(str(with_commas(s.seen_in_train), " of ", with_commas(s.examples),
                                    " ", name,
                                    " texts are in train too; scores on them say little"));
    }
    return s;
  };
  if (files.valid) result.valid = held_out("validation", *files.valid);
  if (files.test) result.test = held_out("test", *files.test);
  for (size_t i = 0; i < result.scheme.labels.size(); ++i) {
    if (result.train.per_class[i] < 5) {
      result.warnings.push_back(str("label '", result.scheme.labels[i], "' has only ",
                                    result.train.per_class[i], " training examples"));
    }
  }
  return result;
}

}  // namespace hat::data
