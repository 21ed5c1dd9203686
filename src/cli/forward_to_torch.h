#pragma once

namespace hat::cli {

/// Replaces this process by hat-torch with the same command line. Throws kIo when it is not
/// installed.
[[noreturn]] void forward_to_torch();

}  // namespace hat::cli
