#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"
#include "hat/config/workspace_config.h"

namespace hat::config {
namespace {

using ::testing::HasSubstr;

struct Inner {
  double rate = 0.5;
  void describe(Schema& s) { s.field("rate", rate, "A rate").range(0, 1); }
};
struct Outer {
  int count = 3;
  std::string mode = "fast";
  std::vector<int> sizes = {1, 2};
  std::vector<std::string> names;
  bool on = false;
  Inner inner;
  void describe(Schema& s) {
    s.field("count", count, "How many").at_least(1);
    s.field("mode", mode, "How").one_of({"fast", "slow"});
    s.field("sizes", sizes, "Sizes").range(0, 9);
    s.field("names", names, "Names");
    s.field("on", on, "Switch");
    s.section("inner", inner, "The inside.");
  }
};

std::string error_of(const std::function<void()>& run) {
  try {
    run();
  } catch (const Error& e) {
    return e.message();
  }
  return "no error";
}

TEST(Schema, ReadsAndWrites) {
  Outer o;
  Provenance provenance;
  const Schema schema = schema_of(o);
  read_json(schema,
            Json::parse(R"({"_note": 1, "count": 7, "inner": {"rate": 1}, "names": ["a"]})"),
            "hat.json", &provenance);
  EXPECT_EQ(o.count, 7);
  EXPECT_EQ(o.inner.rate, 1.0);
  EXPECT_EQ(o.names, std::vector<std::string>{"a"});
  EXPECT_EQ(provenance.at("inner.rate"), "hat.json");
  EXPECT_EQ(provenance.count("mode"), 0U);
  Outer defaults;
  EXPECT_EQ(to_json_changed(schema, schema_of(defaults)).dump(),
            R"({"count":7,"names":["a"],"inner":{"rate":1.0}})");
}

TEST(Schema, MistakesNameFileKeyAndWhatWasExpected) {
  Outer o;
  const Schema s = schema_of(o);
  const auto error = [&](const std::string& json) {
    return error_of([&] { read_json(s, Json::parse(json), "f.json"); });
  };
  EXPECT_THAT(error(R"({"cuont": 1})"),
              HasSubstr("f.json: unknown key 'cuont'. Did you mean 'count'?"));
  EXPECT_THAT(error(R"({"inner": {"rat": 1}})"), HasSubstr("Did you mean 'inner.rate'?"));
  EXPECT_THAT(error(R"({"inner": 3})"), HasSubstr("must be an object"));
  EXPECT_THAT(error(R"({"count": "many"})"),
              HasSubstr("count: must be whole number (got \"many\")"));
  EXPECT_THAT(error(R"({"count": 1.5})"), HasSubstr("whole number"));
  EXPECT_THAT(error(R"({"count": 99999999999})"), HasSubstr("whole number"));
  EXPECT_THAT(error(R"({"count": 0})"), HasSubstr("must be at least 1 (got 0)"));
  EXPECT_THAT(error(R"({"mode": "fats"})"), HasSubstr("Did you mean 'fast'?"));
  EXPECT_THAT(error(R"({"sizes": [1, 12]})"), HasSubstr("0 to 9"));
  EXPECT_THAT(error(R"({"on": 1})"), HasSubstr("true or false"));
  EXPECT_THAT(error("[]"), HasSubstr("must be a JSON object"));
  EXPECT_EQ(o.count, 3) << "a rejected value stays out";
  EXPECT_EQ(o.sizes, (std::vector<int>{1, 2}));
}

TEST(Schema, SetParsesText) {
  Outer o;
  const Schema s = schema_of(o);
  apply_assignment(s, "inner.rate=0.25", "--set");
  apply_assignment(s, "sizes=3,4", "--set");
  apply_assignment(s, "names=x, y", "--set");
  apply_assignment(s, "on=true", "--set");
  apply_assignment(s, "mode=slow", "--set");
  EXPECT_EQ(o.inner.rate, 0.25);
  EXPECT_EQ(o.sizes, (std::vector<int>{3, 4}));
  EXPECT_EQ(o.names, (std::vector<std::string>{"x", "y"}));
  EXPECT_TRUE(o.on);
  EXPECT_EQ(o.mode, "slow");
  EXPECT_THAT(error_of([&] { apply_assignment(s, "count", "--set"); }), HasSubstr("key=value"));
  EXPECT_THAT(error_of([&] { apply_assignment(s, "count=x", "--set"); }),
              HasSubstr("whole number"));
  EXPECT_THAT(error_of([&] { apply_assignment(s, "sizes=3,x", "--set"); }), HasSubstr("list"));
}

/// A value other than the default that the field accepts.
std::string another_value(const Field& field) {
  for (const std::string& choice : field.choices) {
    if (choice != value_text(field)) return choice;
  }
  if (std::holds_alternative<bool*>(field.ref))
    return value_text(field) == "true" ? "false" : "true";
  if (std::holds_alternative<std::string*>(field.ref)) return "something-else";
  for (const double candidate : {field.min.value_or(0), field.max.value_or(7), 1.0, 2.0}) {
    const std::string text = str(candidate);
    if (text != value_text(field) && candidate != std::stod(value_text(field))) return text;
  }
  return "";
}

/// Every option of hat.json reaches exactly one field: two keys bound to one variable, or one to
/// none, fail here.
TEST(WorkspaceConfig, EveryOptionReachesExactlyOneField) {
  WorkspaceConfig reference;
  const Schema defaults = schema_of(reference);
  ASSERT_GT(defaults.fields().size(), 50U);
  for (const Field& field : defaults.fields()) {
    if (!field.choices.empty() && field.choices.size() < 2) continue;
    WorkspaceConfig config;
    const Schema schema = schema_of(config);
    const std::string value = another_value(field);
    ASSERT_FALSE(value.empty()) << field.path;
    const bool whole =
        std::holds_alternative<int*>(field.ref) || std::holds_alternative<int64_t*>(field.ref);
    set_value(schema, field.path,
              whole ? std::to_string(static_cast<int64_t>(std::stod(value))) : value, "--set");
    std::vector<std::string> changed;
    for (const Field& other : schema.fields()) {
      if (value_text(other) != value_text(*defaults.find(other.path)))
        changed.push_back(other.path);
    }
    EXPECT_EQ(changed, std::vector<std::string>{field.path});
  }
}

TEST(WorkspaceConfig, DefaultsAreWithinTheirRanges) {
  WorkspaceConfig config;
  check_values(schema_of(config), {});
}

TEST(WorkspaceConfig, EveryOptionIsDocumented) {
  WorkspaceConfig config;
  Schema schema = schema_of(config);
  for (const Field& field : schema.fields()) EXPECT_GT(field.doc.size(), 10U) << field.path;
}

}  // namespace
}  // namespace hat::config
