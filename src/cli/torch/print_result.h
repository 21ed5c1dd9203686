#pragma once

#include "../command.h"

namespace hat::cli {

/// A benchmark's result, for people or as JSON.
template <class Result>
void print_result(const Result& result, bool json) {
  if (json) {
    print_json(result.to_json());
  } else {
    print(result.to_text());
  }
}

}  // namespace hat::cli
