#pragma once

/// The commands that need LibTorch: declared here, forwarded by `hat` (forward_to_torch.cpp), done
/// in `hat-torch` (torch/*.cpp). Each takes the options struct of its command file.
namespace hat::cli {}  // namespace hat::cli
