#pragma once

namespace hat {

/// "0.1.0"
const char* version();
/// The commit this was built from, short form with "+" when the tree had changes, or "unknown".
const char* build_commit();
/// The compiler and build type.
const char* build_description();

}  // namespace hat
