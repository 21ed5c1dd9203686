#pragma once

#include <exception>

namespace hat::train {

/// Whether an exception says that memory has run out, whichever library threw it.
bool is_out_of_memory(const std::exception& error);

}  // namespace hat::train
