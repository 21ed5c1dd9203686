#pragma once

#include <memory>
#include <string>
#include <vector>

#include "hat/base/file.h"
#include "hat/config/json.h"

namespace hat::search {

/// searches/<n>/journal.jsonl: what a search did, one line an event, in order. A search that goes
/// on after a kill passes the same events again over the scores it has: those that the file holds
/// already are compared and not written twice.
class RunJournal {
 public:
  explicit RunJournal(const fs::path& path);
  void record(const config::OrderedJson& event);
  /// Events passed so far in this run.
  size_t passed() const { return passed_; }

 private:
  fs::path path_;
  std::vector<std::string> lines_;  ///< of an earlier run
  size_t passed_ = 0;
  std::unique_ptr<LineJournal> file_;
};

}  // namespace hat::search
