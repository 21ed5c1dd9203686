#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "hat/base/error.h"

namespace hat::testing {

/// Runs `action`, which must throw hat::Error of this kind whose message contains `part`.
template <class Action>
void expect_error(ErrorKind kind, const std::string& part, Action action) {
  try {
    action();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), kind) << error.message();
    EXPECT_THAT(error.message(), ::testing::HasSubstr(part));
    return;
  }
  ADD_FAILURE() << "no error was thrown; expected one with '" << part << "'";
}

}  // namespace hat::testing
