#pragma once

#include <cstdint>
#include <map>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

namespace hat::config {

using FieldRef = std::variant<bool*, int*, int64_t*, double*, std::string*, std::vector<int>*,
                              std::vector<double>*, std::vector<std::string>*>;

/// One option: where it is stored, what it means, what it may be. `path` is dotted
/// ("train.dropout").
struct Field {
  std::string path;
  FieldRef ref;
  std::string doc;
  std::optional<double> min;
  std::optional<double> max;
  std::vector<std::string> choices;

  /// Inclusive bounds; for lists they hold for every element.
  Field& range(double low, double high);
  Field& at_least(double low);
  Field& one_of(std::vector<std::string> allowed);
};

/// The flat list of options of one or more config structs. A struct declares each of its members
/// once, and everything else (JSON in and out, --set, range checks, documentation, flags) works on
/// this list:
///
///   struct TrainConfig {
///     int max_updates = 4000;
///     void describe(config::Schema& s) {
///       s.field("max_updates", max_updates, "Updates of the optimiser").range(1, 1e8);
///     }
///   };
///
/// The Schema points into the structs, which must outlive it and not move.
class Schema {
 public:
  template <class T>
  Field& field(std::string_view name, T& member, std::string_view doc) {
    return add(name, FieldRef(&member), doc);
  }
  /// Describes a nested struct under `name.`
  template <class Struct>
  void section(std::string_view name, Struct& member, std::string_view doc) {
    enter(name, doc);
    member.describe(*this);
    leave();
  }

  const std::vector<Field>& fields() const& { return fields_; }
  const std::vector<Field>& fields() && = delete;  // would dangle in a range-for
  const Field* find(std::string_view path) const;
  std::vector<std::string> paths() const;
  /// What each section is for, by its dotted path.
  const std::map<std::string, std::string>& section_docs() const { return section_docs_; }

 private:
  Field& add(std::string_view name, FieldRef ref, std::string_view doc);
  void enter(std::string_view name, std::string_view doc);
  void leave();
  std::vector<Field> fields_;
  std::vector<std::string> prefix_;
  std::map<std::string, std::string> section_docs_;
};

template <class Struct>
Schema schema_of(Struct& config) {
  Schema schema;
  config.describe(schema);
  return schema;
}

/// Where each value came from: dotted path -> "hat.json", "--set", "flag --lr". Absent: default.
using Provenance = std::map<std::string, std::string>;

/// Stores every value of a JSON object in the structs behind `schema`. An unknown key (with the
/// nearest name), a wrong type, or a value out of range throws kConfig naming `origin` and the
/// path. Keys starting with '_' are comments.
void read_json(const Schema& schema, const nlohmann::json& object, const std::string& origin,
               Provenance* provenance = nullptr);
/// One value from text, as --set path=text does: lists are comma-separated or JSON.
void set_value(const Schema& schema, std::string_view path, std::string_view text,
               const std::string& origin, Provenance* provenance = nullptr);
/// Splits "path=value" and calls set_value.
void apply_assignment(const Schema& schema, std::string_view assignment, const std::string& origin,
                      Provenance* provenance = nullptr);
/// Checks every value against its range and choices (after flags changed members directly).
void check_values(const Schema& schema, const Provenance& provenance);
/// All values as nested JSON, in the order of declaration.
nlohmann::ordered_json to_json(const Schema& schema);
/// Only values that differ from `defaults` (the schema of a default-constructed struct).
nlohmann::ordered_json to_json_changed(const Schema& schema, const Schema& defaults);
/// One value as text, as --set would take it.
std::string value_text(const Field& field);
std::string type_name(const Field& field);
/// "1 to 100", "one of a, b", or "".
std::string constraint_text(const Field& field);
/// Markdown: a table for each section (key, type, default, range, meaning).
std::string to_markdown(const Schema& schema);

}  // namespace hat::config
