#include "hat/base/version.h"

namespace hat {

const char* version() { return HAT_VERSION; }
const char* build_commit() { return HAT_COMMIT; }
const char* build_description() { return HAT_BUILD; }

}  // namespace hat
