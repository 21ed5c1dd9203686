#include "hat/base/install.h"

#include "hat/base/process.h"

namespace hat {

std::filesystem::path configs_directory() {
  namespace fs = std::filesystem;
  const fs::path program = program_directory();
  const fs::path candidates[] = {program / ".." / "share" / "hat" / "configs", program / "configs",
                                 program / ".." / "configs", program / ".." / ".." / "configs",
#ifdef HAT_CONFIG_DIR
                                 HAT_CONFIG_DIR
#endif
  };
  std::error_code error;
  for (const fs::path& folder : candidates) {
    // Any folder may be called configs; ours holds spaces.
    if (fs::is_directory(folder / "spaces", error)) return folder.lexically_normal();
  }
  return {};
}

}  // namespace hat
