#include "hat/base/file.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "hat/base/strings.h"
#include "testing/expect_error.h"
#include "testing/temporary_folder.h"

namespace hat {
namespace {

using testing::expect_error;
using testing::TemporaryFolder;

// Runs `action` in a child process; true when it returned true there.
template <class Action>
bool true_in_child(Action action) {
  const pid_t child = fork();
  if (child == 0) _exit(action() ? 0 : 1);
  int status = 0;
  waitpid(child, &status, 0);
  return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

// True when `action` throws kIo with this in its message.
template <class Action>
bool throws_io(const std::string& part, Action action) {
  try {
    action();
  } catch (const Error& error) {
    return error.kind() == ErrorKind::kIo && error.message().find(part) != std::string::npos;
  }
  return false;
}

TEST(ReadFile, ReadsEverythingUpToTheBound) {
  const TemporaryFolder folder;
  const std::string content = std::string("a\0b", 3) + std::string(200'000, 'x');
  const fs::path file = folder.write("file", content);
  EXPECT_EQ(read_file(file), content);
  EXPECT_EQ(read_file(file, content.size()), content);
  expect_error(ErrorKind::kIo, "larger than", [&] { read_file(file, content.size() - 1); });
}

TEST(ReadFile, NamesWhatIsWrong) {
  const TemporaryFolder folder;
  expect_error(ErrorKind::kIo, "missing: No such file", [&] { read_file(folder / "missing"); });
  expect_error(ErrorKind::kIo, "is a directory", [&] { read_file(folder.path()); });
}

TEST(ReadFile, BoundsWhatHasNoSize) {
  expect_error(ErrorKind::kIo, "larger than", [] { read_file("/dev/zero", 1000); });
  EXPECT_FALSE(read_file("/proc/self/status").empty());
}

TEST(ReadInto, ReadsTheFirstBytesOrFails) {
  const TemporaryFolder folder;
  write_file_atomic(folder / "file", "hello");
  std::string out(4, ' ');
  read_into(folder / "file", std::as_writable_bytes(std::span(out)));
  EXPECT_EQ(out, "hell");
  out.resize(6);
  expect_error(ErrorKind::kIo, "cut short",
               [&] { read_into(folder / "file", std::as_writable_bytes(std::span(out))); });
  expect_error(ErrorKind::kIo, "none",
               [&] { read_into(folder / "none", std::as_writable_bytes(std::span(out))); });
}

TEST(AtomicFile, AppearsOnCommitAndLeavesNothingElse) {
  const TemporaryFolder folder;
  folder.write("file", "old");
  {
    AtomicFile file(folder / "file");
    file.write("new");
    EXPECT_EQ(folder.read("file"), "old");
    file.commit();
  }
  EXPECT_EQ(folder.read("file"), "new");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, WithoutCommitTheOldContentStays) {
  const TemporaryFolder folder;
  folder.write("file", "old");
  {
    AtomicFile file(folder / "file");
    file.write(std::string(3 << 20, 'x'));
  }
  EXPECT_EQ(folder.read("file"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, WritesInPiecesOfAnySizeAndOverwritesAHeader) {
  const TemporaryFolder folder;
  AtomicFile file(folder / "file");
  std::string expected(8, '?');
  file.write("????????");
  for (const size_t size : {size_t{1}, size_t{1} << 20, (size_t{1} << 20) - 1, size_t{0},
                            size_t{5} << 20, size_t{77}}) {
    const std::string piece(size, static_cast<char>('a' + size % 26));
    file.write(piece);
    expected += piece;
    EXPECT_EQ(file.position(), expected.size());
  }
  file.write_at(2, "1234", 4);
  expected.replace(2, 4, "1234");
  expect_error(ErrorKind::kInternal, "offset",
               [&] { file.write_at(expected.size() - 1, "ab", 2); });
  file.commit();
  EXPECT_EQ(folder.read("file"), expected);
}

TEST(AtomicFile, KeepsPermissionsAndLinks) {
  const TemporaryFolder folder;
  folder.write("real", "old");
  fs::permissions(folder / "real", fs::perms::owner_read | fs::perms::owner_write);
  fs::create_symlink("real", folder / "link");
  write_file_atomic(folder / "link", "new");
  EXPECT_TRUE(fs::is_symlink(folder / "link"));
  EXPECT_EQ(folder.read("real"), "new");
  EXPECT_EQ(fs::status(folder / "real").permissions(),
            fs::perms::owner_read | fs::perms::owner_write);
}

TEST(AtomicFile, SaysWhyItCannotBegin) {
  const TemporaryFolder folder;
  folder.write("plain", "");
  expect_error(ErrorKind::kIo, "No such file",
               [&] { write_file_atomic(folder / "missing/file", "x"); });
  expect_error(ErrorKind::kIo, "Not a directory",
               [&] { write_file_atomic(folder / "plain/file", "x"); });
  expect_error(ErrorKind::kIo, "is a directory", [&] { write_file_atomic(folder.path(), "x"); });
}

TEST(AtomicFile, AFolderWithoutPermissionIsAnError) {
  const TemporaryFolder folder;
  folder.write("file", "old");
  fs::permissions(folder.path(), fs::perms::owner_read | fs::perms::owner_exec | fs::perms::all,
                  fs::perm_options::replace);
  fs::permissions(folder.path(),
                  fs::perms::owner_write | fs::perms::group_write | fs::perms::others_write,
                  fs::perm_options::remove);
  // root may write everywhere, so the child gives that up.
  EXPECT_TRUE(true_in_child([&] {
    if (geteuid() == 0 && seteuid(65534) != 0) return false;
    return throws_io("Permission denied", [&] { write_file_atomic(folder / "file", "new"); });
  }));
  fs::permissions(folder.path(), fs::perms::owner_all, fs::perm_options::add);
  EXPECT_EQ(folder.read("file"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, ADiskThatFillsUpLeavesTheOldFile) {
  const TemporaryFolder folder;
  folder.write("file", "old");
  // The limit stands in for a full disk; its signal would kill a program that does not expect it.
  EXPECT_TRUE(true_in_child([&] {
    const rlimit limit = {1 << 20, 1 << 20};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    return throws_io("File too large",
                     [&] { write_file_atomic(folder / "file", std::string(3 << 20, 'x')); });
  }));
  EXPECT_EQ(folder.read("file"), "old");
  EXPECT_EQ(folder.entries(), 1u);
}

TEST(AtomicFile, DevicesAreWrittenInPlace) {
  struct stat before = {};
  ASSERT_EQ(stat("/dev/null", &before), 0);
  write_file_atomic("/dev/null", "gone");
  struct stat after = {};
  ASSERT_EQ(stat("/dev/null", &after), 0);
  EXPECT_TRUE(S_ISCHR(after.st_mode));
  EXPECT_EQ(before.st_ino, after.st_ino);
  if (!fs::exists("/dev/full")) GTEST_SKIP() << "no /dev/full here";
  expect_error(ErrorKind::kIo, "No space left", [] { write_file_atomic("/dev/full", "x"); });
}

TEST(AtomicFile, RemovesWhatAKilledRunLeft) {
  const TemporaryFolder folder;
  // No process has this number: it is above the kernel's largest.
  const fs::path stale = folder.write(".file.tmp-99999999-0", "part");
  fs::last_write_time(stale, fs::file_time_type::clock::now() - std::chrono::hours(1));
  const fs::path fresh = folder.write(".file.tmp-99999999-1", "part");
  const fs::path ours = folder.write(str(".file.tmp-", getpid(), "-x"), "part");
  const fs::path other = folder.write(".file2.tmp-99999999-0", "part");
  for (const fs::path& old : {ours, other}) {
    fs::last_write_time(old, fs::file_time_type::clock::now() - std::chrono::hours(1));
  }
  write_file_atomic(folder / "file", "new");
  EXPECT_FALSE(fs::exists(stale));
  EXPECT_TRUE(fs::exists(fresh));
  EXPECT_TRUE(fs::exists(ours));
  EXPECT_TRUE(fs::exists(other));
}

TEST(AtomicFile, AKilledWriterLeavesTheOldFile) {
  const TemporaryFolder folder;
  folder.write("file", "old");
  const pid_t child = fork();
  if (child == 0) {
    AtomicFile file(folder / "file");
    file.write(std::string(2 << 20, 'x'));
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_TRUE(WIFSIGNALED(status));
  EXPECT_EQ(folder.read("file"), "old");
}

TEST(MappedFile, ShowsTheBytes) {
  const TemporaryFolder folder;
  const MappedFile map(folder.write("file", "mapped"));
  ASSERT_EQ(map.size(), 6u);
  EXPECT_EQ(std::string_view(reinterpret_cast<const char*>(map.data()), map.size()), "mapped");
}

TEST(MappedFile, EmptyMissingAndOddFiles) {
  const TemporaryFolder folder;
  EXPECT_TRUE(MappedFile(folder.write("empty", "")).bytes().empty());
  expect_error(ErrorKind::kIo, "missing", [&] { MappedFile map(folder / "missing"); });
  expect_error(ErrorKind::kIo, "not a regular file", [&] { MappedFile map(folder.path()); });
  expect_error(ErrorKind::kIo, "not a regular file", [] { MappedFile map("/dev/null"); });
}

TEST(MappedFile, MovesKeepTheMapAlive) {
  const TemporaryFolder folder;
  MappedFile a(folder.write("a", "aaa"));
  MappedFile b(std::move(a));
  EXPECT_EQ(b.size(), 3u);
  MappedFile c(folder.write("c", "cc"));
  c = std::move(b);
  EXPECT_EQ(c.size(), 3u);
  EXPECT_EQ(c.data()[2], std::byte{'a'});
}

TEST(LineJournal, AppendsWholeLines) {
  const TemporaryFolder folder;
  {
    LineJournal journal(folder / "journal");
    journal.append("one");
    journal.append("");
    journal.append("three");
  }
  LineJournal(folder / "journal").append("four");
  EXPECT_EQ(folder.read("journal"), "one\n\nthree\nfour\n");
  LineJournal journal(folder / "journal");
  expect_error(ErrorKind::kInternal, "line", [&] { journal.append("two\nlines"); });
}

TEST(LineJournal, RemovesALastLineThatWasCutShort) {
  const TemporaryFolder folder;
  folder.write("journal", "one\ntwo\nthr");
  LineJournal(folder / "journal").append("three");
  EXPECT_EQ(folder.read("journal"), "one\ntwo\nthree\n");

  folder.write("journal", "no line at all");
  LineJournal(folder / "journal").append("one");
  EXPECT_EQ(folder.read("journal"), "one\n");

  // Longer than what is read back at once.
  folder.write("journal", "one\n" + std::string(10'000, 'x'));
  LineJournal(folder / "journal").append("two");
  EXPECT_EQ(folder.read("journal"), "one\ntwo\n");
}

TEST(LineJournal, AFullDiskLeavesWholeLines) {
  const TemporaryFolder folder;
  EXPECT_TRUE(true_in_child([&] {
    LineJournal journal(folder / "journal");
    journal.append("first");
    const rlimit limit = {100, 100};
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0) return false;
    const bool refused =
        throws_io("File too large", [&] { journal.append(std::string(500, 'x')); });
    journal.append("second");
    return refused;
  }));
  EXPECT_EQ(folder.read("journal"), "first\nsecond\n");
}

TEST(EnsureDirectory, MakesParentsAndAcceptsWhatExists) {
  const TemporaryFolder folder;
  ensure_directory(folder / "a/b/c");
  ensure_directory(folder / "a/b/c/");
  EXPECT_TRUE(fs::is_directory(folder / "a/b/c"));
  folder.write("plain", "");
  expect_error(ErrorKind::kIo, "plain", [&] { ensure_directory(folder / "plain"); });
  expect_error(ErrorKind::kIo, "plain/x", [&] { ensure_directory(folder / "plain/x"); });
}

TEST(FileLock, IsHeldByOneAtATimeAndNamesTheHolder) {
  const TemporaryFolder folder;
  {
    const FileLock lock(folder / "lock");
    expect_error(ErrorKind::kIo, str("process ", getpid()),
                 [&] { FileLock other(folder / "lock"); });
    EXPECT_TRUE(true_in_child([&] {
      return throws_io("held by another process", [&] { FileLock other(folder / "lock"); });
    }));
  }
  EXPECT_NO_THROW(FileLock(folder / "lock"));
}

TEST(FileLock, EndsWithItsProcess) {
  const TemporaryFolder folder;
  const pid_t child = fork();
  if (child == 0) {
    const FileLock lock(folder / "lock");
    raise(SIGKILL);
  }
  int status = 0;
  waitpid(child, &status, 0);
  EXPECT_NO_THROW(FileLock(folder / "lock"));
}

}  // namespace
}  // namespace hat
