#include "hat/search/journal.h"

#include <fstream>

#include "hat/base/log.h"
#include "hat/base/strings.h"

namespace hat::search {

RunJournal::RunJournal(const fs::path& path)
    : path_(path), file_(std::make_unique<LineJournal>(path)) {
  std::ifstream in(path);
  std::string line;
  while (std::getline(in, line)) lines_.push_back(line);
}

void RunJournal::record(const config::OrderedJson& event) {
  const std::string line = event.dump();
  const size_t at = passed_++;
  if (at < lines_.size() && lines_[at] == line) return;
  if (at < lines_.size()) {
    // The scores file was removed or another program wrote the journal: what happens now counts.
    log_warning("search", str(path_.string(), ": line ", at + 1,
                              " is not what this run does; the lines from there are replaced"));
    std::string kept;
    for (size_t i = 0; i < at; ++i) kept += lines_[i] + "\n";
    lines_.resize(at);
    file_.reset();
    write_file_atomic(path_, kept);
    file_ = std::make_unique<LineJournal>(path_);
  }
  file_->append(line);
}

}  // namespace hat::search
