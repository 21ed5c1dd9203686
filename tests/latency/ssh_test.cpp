#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <set>
#include <thread>

#include "hat/base/clock.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/latency/measure.h"
#include "latency_fixtures.h"

namespace hat::latency {
namespace {

using testing::TemporaryFolder;

/// An sshd of our own on loopback: its keys, its configuration, a port of its own.
class LocalSshd {
 public:
  explicit LocalSshd(const fs::path& folder) : folder_(folder) {
    for (const char* key : {"host_key", "user_key"}) {
      run_process({"ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", (folder / key).string()});
    }
    fs::copy_file(folder / "user_key.pub", folder / "authorized_keys");
    port_ = 20000 + static_cast<int>(::getpid()) % 20000;
    write_file_atomic(
        folder / "sshd_config",
        str("ListenAddress 127.0.0.1\nPort ", port_, "\nHostKey ", (folder / "host_key").string(),
            "\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\n"
            "AuthorizedKeysFile ",
            (folder / "authorized_keys").string(), "\n"));
    write_file_atomic(folder / "ssh_config",
                      str("Host loop\n  HostName 127.0.0.1\n  Port ", port_, "\n  IdentityFile ",
                          (folder / "user_key").string(),
                          "\n  IdentitiesOnly yes\n  StrictHostKeyChecking no\n"
                          "  UserKnownHostsFile /dev/null\n"));
  }

  static std::string program() {
    for (const char* path : {"/usr/sbin/sshd", "/usr/local/sbin/sshd"}) {
      if (::access(path, X_OK) == 0) return path;
    }
    return "";
  }

  ~LocalSshd() { stop(); }

  void start() {
    // What Debian's service makes at boot, and sshd wants of root at every connection. It stays:
    // a test running beside this one needs it too.
    std::error_code error;
    if (::geteuid() == 0) fs::create_directory("/run/sshd", error);
    process_ = std::make_unique<Subprocess>(
        std::vector<std::string>{program(), "-D", "-e", "-f", (folder_ / "sshd_config").string()},
        Subprocess::Options{.capture_stderr = true});
  }
  void stop() {
    cut();
    process_.reset();
  }

  /// Ends every connection that is open now, as an unplugged cable does.
  void cut() {
    if (!process_) return;
    for (const int child : descendants(process_->pid())) ::kill(child, SIGKILL);
  }

  Device device(const fs::path& remote) const {
    Device d;
    d.name = "loop";
    d.connect = "ssh";
    d.host = "loop";
    d.ssh_config = (folder_ / "ssh_config").string();
    d.remote_folder = remote.string();
    d.program = std::string(HAT_BINARY_DIR) + "/bin/hat-run";
    d.connect_timeout_s = 20;
    return d;
  }

  /// True when ssh gets through; false where this machine does not let it.
  bool answers() const {
    for (int attempt = 0; attempt < 20; ++attempt) {
      const RunResult result =
          run_process({"ssh", "-F", (folder_ / "ssh_config").string(), "-o", "BatchMode=yes", "-o",
                       "ConnectTimeout=5", "loop", "true"});
      if (result.exit_code == 0) return true;
      ::usleep(200'000);
    }
    return false;
  }

 private:
  static std::vector<int> descendants(int parent) {
    std::vector<int> found;
    std::ifstream file(str("/proc/", parent, "/task/", parent, "/children"));
    int child = 0;
    while (file >> child) {
      for (const int below : descendants(child)) found.push_back(below);
      found.push_back(child);
    }
    return found;
  }

  fs::path folder_;
  int port_ = 0;
  std::unique_ptr<Subprocess> process_;
};

MeasureOptions options(int samples) {
  MeasureOptions o;
  o.samples = samples;
  o.sample_limit_ms = 300;
  o.workload = {1, 2, 6, 6, {200, 200}};
  return o;
}

/// Lines of measured networks; one that was measured again has two.
size_t lines_in(const fs::path& journal) {
  if (!fs::exists(journal)) return 0;
  size_t rows = 0;
  for (const std::string& line : split(read_file(journal), '\n')) {
    rows += line.rfind("{\"type\":\"row\"", 0) == 0 ? 1 : 0;
  }
  return rows;
}

class Ssh : public ::testing::Test {
 protected:
  void SetUp() override {
    if (LocalSshd::program().empty()) GTEST_SKIP() << "needs sshd (scripts/setup.sh)";
    if (!fs::exists(std::string(HAT_BINARY_DIR) + "/bin/hat-run")) {
      GTEST_SKIP() << "needs hat-run to be built";
    }
    sshd_ = std::make_unique<LocalSshd>(folder_.path());
    sshd_->start();
    if (!sshd_->answers()) GTEST_SKIP() << "sshd does not run here (privileges, /run/sshd)";
  }
  void TearDown() override {
    if (sshd_) sshd_->stop();
  }

  TemporaryFolder folder_;
  std::unique_ptr<LocalSshd> sshd_;
};

TEST_F(Ssh, CopiesHatRunOnceAndMeasures) {
  const fs::path remote = folder_.path() / "remote";
  const Device device = sshd_->device(remote);
  EXPECT_EQ(connect(device)->hello().program, "hat-run");
  size_t files = 0;
  fs::file_time_type first;
  for (const auto& entry : fs::directory_iterator(remote)) {
    ++files;
    first = entry.last_write_time();
  }
  EXPECT_EQ(files, 1U);
  connect(device);
  for (const auto& entry : fs::directory_iterator(remote)) {
    EXPECT_EQ(entry.last_write_time(), first);
  }
}

TEST_F(Ssh, ACutConnectionLosesNothing) {
  const Device device = sshd_->device(folder_.path() / "remote");
  const fs::path journal = folder_.path() / "latency.jsonl";
  const arch::SearchSpace space = arch::SearchSpace::named("tiny");
  std::atomic<bool> done = false;
  std::thread saboteur([&] {
    size_t cuts = 0;
    for (int i = 0; i < 6000 && !done && cuts < 2; ++i) {
      if (lines_in(journal) >= 2 + 3 * cuts) {
        sshd_->cut();
        ++cuts;
      }
      ::usleep(20'000);
    }
  });
  MeasureSummary summary;
  try {
    summary = measure_latency(device, space, options(10), journal);
  } catch (const Error& error) {
    // Cut while connecting again, too: then the next call goes on.
    EXPECT_EQ(error.kind(), ErrorKind::kIo) << error.message();
  }
  done = true;
  saboteur.join();
  if (summary.rows < 10) measure_latency(device, space, options(10), journal);
  const LatencySet set = read_journal(journal);
  EXPECT_EQ(set.rows.size(), 10U);
  EXPECT_TRUE(set.rejected.empty());
  std::set<std::string> ids;
  for (const LatencyRow& row : set.rows) ids.insert(arch::architecture_id(*row.architecture));
  EXPECT_EQ(ids.size(), 10U);
}

TEST_F(Ssh, ADeadServerIsExplainedAndTheNextCallGoesOn) {
  const Device device = sshd_->device(folder_.path() / "remote");
  const fs::path journal = folder_.path() / "latency.jsonl";
  const arch::SearchSpace space = arch::SearchSpace::named("tiny");
  measure_latency(device, space, options(3), journal);
  sshd_->stop();
  try {
    measure_latency(device, space, options(6), journal);
    FAIL() << "measured without a server";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_NE(error.message().find("nothing listens"), std::string::npos) << error.message();
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_EQ(read_journal(journal).rows.size(), 3U);
  sshd_->start();
  ASSERT_TRUE(sshd_->answers());
  measure_latency(device, space, options(6), journal);
  EXPECT_EQ(read_journal(journal).rows.size(), 6U);
}

TEST_F(Ssh, AWrongKeyIsExplained) {
  Device device = sshd_->device(folder_.path() / "remote");
  write_file_atomic(folder_.path() / "authorized_keys", "\n");
  try {
    connect(device);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(error.hint().find("ssh-copy-id"), std::string::npos) << error.message();
  }
}

TEST(SshClient, AnUnknownHostIsExplained) {
  if (run_process({"sh", "-c", "command -v ssh"}).exit_code != 0) GTEST_SKIP() << "needs ssh";
  Device device;
  device.name = "nowhere";
  device.connect = "ssh";
  device.host = "no-such-host.invalid";
  device.connect_timeout_s = 10;
  try {
    connect(device);
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kIo);
    EXPECT_NE(error.message().find("no-such-host.invalid"), std::string::npos);
    EXPECT_FALSE(error.hint().empty());
  }
}

/// A hat-run for aarch64 under emulation, as any device behind a command.
TEST(QemuDevice, Measures) {
  const char* given = std::getenv("HAT_RUN_AARCH64");
  fs::path program = given != nullptr ? given : "";
  for (const char* candidate : {"-aarch64/bin/hat-run", "/aarch64/bin/hat-run"}) {
    const fs::path path = std::string(HAT_SOURCE_DIR) + "/build" + candidate;
    if (program.empty() && fs::exists(path)) program = path;
  }
  if (program.empty()) GTEST_SKIP() << "needs an aarch64 build of hat-run (preset aarch64)";
  if (run_process({"sh", "-c", "command -v qemu-aarch64"}).exit_code != 0) {
    GTEST_SKIP() << "needs qemu-aarch64";
  }
  Device device;
  device.name = "qemu";
  device.connect = "command";
  device.command = {"qemu-aarch64", "-cpu", "max", program.string(), "agent"};
  device.connect_timeout_s = 60;
  const TemporaryFolder folder;
  const fs::path journal = folder.path() / "latency.jsonl";
  measure_latency(device, arch::SearchSpace::named("tiny"), options(3), journal);
  const LatencySet set = read_journal(journal);
  ASSERT_EQ(set.rows.size(), 3U);
  EXPECT_GT(set.rows[1].total_ms, set.rows[0].total_ms);  // the largest and the smallest
}

}  // namespace
}  // namespace hat::latency
