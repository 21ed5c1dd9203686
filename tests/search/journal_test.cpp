#include "hat/search/journal.h"

#include <gtest/gtest.h>

#include <fstream>

#include "testing/temporary_folder.h"

namespace hat::search {
namespace {

void pass(RunJournal& journal, int from, int to) {
  for (int i = from; i <= to; ++i) journal.record({{"n", i}});
}

TEST(RunJournal, AResumedRunAddsOnlyWhatIsNew) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "journal.jsonl";
  {
    RunJournal journal(path);
    pass(journal, 1, 3);
  }
  // A kill in the middle of a write leaves part of a line.
  std::ofstream(path, std::ios::app) << "{\"n\":";
  {
    RunJournal journal(path);
    pass(journal, 1, 5);
    EXPECT_EQ(journal.passed(), 5u);
  }
  EXPECT_EQ(read_file(path), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n{\"n\":5}\n");
}

TEST(RunJournal, LinesOfAnotherRunAreReplaced) {
  const testing::TemporaryFolder folder;
  const fs::path path = folder / "journal.jsonl";
  std::ofstream(path) << "{\"n\":1}\n{\"n\":7}\n{\"n\":8}\n";
  RunJournal journal(path);
  pass(journal, 1, 3);
  EXPECT_EQ(read_file(path), "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n");
}

}  // namespace
}  // namespace hat::search
