#pragma once

#include <unistd.h>

#include <string>

#include "hat/arch/search_space.h"
#include "hat/base/file.h"
#include "hat/base/process.h"
#include "hat/base/strings.h"
#include "hat/latency/device.h"

namespace hat::latency::testing {

/// A folder that is removed at the end.
class TemporaryFolder {
 public:
  TemporaryFolder() {
    std::string pattern = (fs::temp_directory_path() / "hat-latency-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
  }
  ~TemporaryFolder() {
    std::error_code error;
    fs::remove_all(path_, error);
  }
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

inline bool have_python() {
  static const bool have = [] {
    try {
      return run_process({"python3", "-c", "pass"}).exit_code == 0;
    } catch (...) {
      return false;
    }
  }();
  return have;
}

/// tests/latency/fake_agent.py as a device, with short waits.
inline Device fake_device(const std::string& mode, const fs::path& counter = {}) {
  Device device;
  device.name = "fake";
  device.connect = "command";
  device.command = {"python3", std::string(HAT_SOURCE_DIR) + "/tests/latency/fake_agent.py", mode};
  if (!counter.empty()) device.command.push_back(counter.string());
  // Long enough for Python to start on a busy machine; silence costs it once or twice a test.
  const bool waits = mode == "silent";
  device.connect_timeout_s = waits ? 1 : 20;
  device.reply_timeout_s = mode == "silent-later" ? 1 : 20;
  return device;
}

inline arch::Architecture small_architecture() {
  arch::Architecture a;
  a.encoder_embed_dim = a.decoder_embed_dim = 64;
  a.encoder = {{128, 2, 64}, {128, 2, 64}};
  a.decoder = {{128, 2, 64, 2, 64, 1}};
  return a;
}

}  // namespace hat::latency::testing
