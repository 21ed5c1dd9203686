#include "hat/base/error.h"

#include "testing/expect_error.h"

namespace hat {
namespace {

using testing::expect_error;

TEST(Error, EveryKindHasItsDocumentedExitCode) {
  EXPECT_EQ(exit_code(ErrorKind::kInternal), 1);
  EXPECT_EQ(exit_code(ErrorKind::kUsage), 2);
  EXPECT_EQ(exit_code(ErrorKind::kConfig), 2);
  EXPECT_EQ(exit_code(ErrorKind::kData), 3);
  EXPECT_EQ(exit_code(ErrorKind::kIo), 3);
  EXPECT_EQ(exit_code(ErrorKind::kInfeasible), 4);
  EXPECT_EQ(exit_code(ErrorKind::kInterrupted), 130);
}

TEST(Error, ContextIsPutInFrontWhileUnwinding) {
  try {
    try {
      fail(ErrorKind::kConfig, "must be above 0", "Use 1.");
    } catch (Error& error) {
      error.add_context("search.population").add_context("hat.json");
      throw;
    }
  } catch (const Error& error) {
    EXPECT_STREQ(error.what(), "hat.json: search.population: must be above 0");
    EXPECT_EQ(error.hint(), "Use 1.");
    EXPECT_EQ(error.kind(), ErrorKind::kConfig);
  }
}

TEST(Error, CheckEvaluatesItsMessageOnlyOnFailure) {
  int evaluated = 0;
  const auto message = [&] {
    ++evaluated;
    return std::string("wrong");
  };
  HAT_CHECK(true, ErrorKind::kData, message());
  EXPECT_EQ(evaluated, 0);
  expect_error(ErrorKind::kData, "wrong", [&] { HAT_CHECK(false, ErrorKind::kData, message()); });
  EXPECT_EQ(evaluated, 1);
}

TEST(Error, InternalOnesNameTheConditionAndNoFolder) {
  expect_error(ErrorKind::kInternal, "1 == 2", [] { HAT_DCHECK(1 == 2); });
  try {
    HAT_DCHECK(false);
  } catch (const Error& error) {
    EXPECT_EQ(error.message().find('/'), std::string::npos) << error.message();
    EXPECT_FALSE(error.hint().empty());
  }
}

}  // namespace
}  // namespace hat
