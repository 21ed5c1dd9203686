#include "out_of_memory.h"

#include <c10/util/Exception.h>

#include <new>
#include <string_view>

namespace hat::train {

// LibTorch has a type for device memory only; its CPU allocator throws a plain c10::Error, and
// oneDNN's objects a type whose header LibTorch does not install.
bool is_out_of_memory(const std::exception& error) {
  if (dynamic_cast<const std::bad_alloc*>(&error) != nullptr) return true;
  if (dynamic_cast<const c10::OutOfMemoryError*>(&error) != nullptr) return true;
  const auto* torch_error = dynamic_cast<const c10::Error*>(&error);
  const std::string_view text = torch_error ? torch_error->what_without_backtrace() : error.what();
  for (const std::string_view sign : {"can't allocate memory", "not enough memory", "out of memory",
                                      "out_of_memory", "could not create a memory"}) {
    if (text.find(sign) != std::string_view::npos) return true;
  }
  return false;
}

}  // namespace hat::train
