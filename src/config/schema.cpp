#include "hat/config/schema.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/config/json.h"

namespace hat::config {
namespace {

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;

[[noreturn]] void reject(const Field& field, const std::string& origin,
                         const std::string& problem) {
  std::string hint = str(field.path, ": ", field.doc, " (", type_name(field));
  const std::string limits = constraint_text(field);
  if (!limits.empty()) hint += ", " + limits;
  fail(ErrorKind::kConfig, str(origin, ": ", field.path, ": ", problem), hint + ").");
}

void check_number(const Field& field, double value, const std::string& origin) {
  if (!std::isfinite(value)) reject(field, origin, "must be a finite number");
  const bool low = field.min && value < *field.min;
  const bool high = field.max && value > *field.max;
  if (low || high) {
    reject(field, origin, str("must be ", constraint_text(field), " (got ", value, ")"));
  }
}

void check_choice(const Field& field, const std::string& value, const std::string& origin) {
  if (field.choices.empty()) return;
  if (std::find(field.choices.begin(), field.choices.end(), value) != field.choices.end()) return;
  reject(field, origin,
         str("must be ", constraint_text(field), " (got '", value, "').",
             did_you_mean(value, field.choices)));
}

/// Range and choices of the stored value.
void check_field(const Field& field, const std::string& origin) {
  std::visit(Overloaded{
                 [](const bool*) {},
                 [&](const int* v) { check_number(field, *v, origin); },
                 [&](const int64_t* v) { check_number(field, static_cast<double>(*v), origin); },
                 [&](const double* v) { check_number(field, *v, origin); },
                 [&](const std::string* v) { check_choice(field, *v, origin); },
                 [&](const std::vector<int>* v) {
                   for (int x : *v) check_number(field, x, origin);
                 },
                 [&](const std::vector<double>* v) {
                   for (double x : *v) check_number(field, x, origin);
                 },
                 [&](const std::vector<std::string>* v) {
                   for (const std::string& x : *v) check_choice(field, x, origin);
                 },
             },
             field.ref);
}

bool to_integer(const Json& json, int64_t low, int64_t high, int64_t* value) {
  if (json.is_number_unsigned()) {
    if (json.get<uint64_t>() > static_cast<uint64_t>(high)) return false;
    *value = static_cast<int64_t>(json.get<uint64_t>());
  } else if (json.is_number_integer()) {
    *value = json.get<int64_t>();
  } else {
    return false;
  }
  return *value >= low && *value <= high;
}

bool read_scalar(const Json& json, bool* out) {
  if (!json.is_boolean()) return false;
  *out = json.get<bool>();
  return true;
}
bool read_scalar(const Json& json, int* out) {
  int64_t value = 0;
  if (!to_integer(json, std::numeric_limits<int>::min(), std::numeric_limits<int>::max(), &value)) {
    return false;
  }
  *out = static_cast<int>(value);
  return true;
}
bool read_scalar(const Json& json, int64_t* out) {
  return to_integer(json, std::numeric_limits<int64_t>::min(), std::numeric_limits<int64_t>::max(),
                    out);
}
bool read_scalar(const Json& json, double* out) {
  if (!json.is_number()) return false;
  *out = json.get<double>();
  return true;
}
bool read_scalar(const Json& json, std::string* out) {
  if (!json.is_string()) return false;
  *out = json.get<std::string>();
  return true;
}
template <class T>
bool read_scalar(const Json& json, std::vector<T>* out) {
  if (!json.is_array()) return false;
  std::vector<T> values;
  for (const Json& element : json) {
    T value{};
    if (!read_scalar(element, &value)) return false;
    values.push_back(std::move(value));
  }
  *out = std::move(values);
  return true;
}

void store(const Field& field, const Json& json, const std::string& origin) {
  // A value that fails its check must not stay behind in the struct.
  std::visit(
      [&](auto* target) {
        const auto before = *target;
        if (!read_scalar(json, target)) {
          reject(field, origin, str("must be ", type_name(field), " (got ", json.dump(), ")"));
        }
        try {
          check_field(field, origin);
        } catch (...) {
          *target = before;
          throw;
        }
      },
      field.ref);
}

void read_level(const Schema& schema, const Json& object, const std::string& prefix,
                const std::string& origin, Provenance* provenance) {
  for (const auto& [key, value] : object.items()) {
    if (!key.empty() && key.front() == '_') continue;
    const std::string path = prefix.empty() ? key : prefix + "." + key;
    if (const Field* field = schema.find(path)) {
      store(*field, value, origin);
      if (provenance != nullptr) (*provenance)[path] = origin;
    } else if (value.is_object() && schema.section_docs().count(path) > 0) {
      read_level(schema, value, path, origin, provenance);
    } else if (schema.section_docs().count(path) > 0) {
      fail(ErrorKind::kConfig,
           str(origin, ": ", path, ": must be an object of options (got ", value.type_name(), ")"));
    } else {
      std::vector<std::string> names = schema.paths();
      for (const auto& section : schema.section_docs()) names.push_back(section.first);
      fail(ErrorKind::kConfig,
           str(origin, ": unknown key '", path, "'.", did_you_mean(path, names)),
           "docs/config.md lists every key; keys that start with '_' are comments.");
    }
  }
}

void put(OrderedJson& root, const std::string& path, OrderedJson value) {
  OrderedJson* node = &root;
  const std::vector<std::string> keys = split(path, '.');
  for (size_t i = 0; i + 1 < keys.size(); ++i) node = &(*node)[keys[i]];
  (*node)[keys.back()] = std::move(value);
}

OrderedJson field_json(const Field& field) {
  return std::visit([](const auto* value) { return OrderedJson(*value); }, field.ref);
}

std::string number_text(double value) {
  if (value == std::floor(value) && std::fabs(value) < 1e15) {
    return std::to_string(static_cast<int64_t>(value));
  }
  return OrderedJson(value).dump();
}

}  // namespace

Field& Field::range(double low, double high) {
  min = low;
  max = high;
  return *this;
}
Field& Field::at_least(double low) {
  min = low;
  return *this;
}
Field& Field::one_of(std::vector<std::string> allowed) {
  choices = std::move(allowed);
  return *this;
}

Field& Schema::add(std::string_view name, FieldRef ref, std::string_view doc) {
  std::vector<std::string> parts = prefix_;
  parts.emplace_back(name);
  Field field{join(parts, "."), ref, std::string(doc), {}, {}, {}};
  HAT_DCHECK(find(field.path) == nullptr);
  fields_.push_back(std::move(field));
  return fields_.back();
}

void Schema::enter(std::string_view name, std::string_view doc) {
  prefix_.emplace_back(name);
  section_docs_[join(prefix_, ".")] = doc;
}

void Schema::leave() { prefix_.pop_back(); }

const Field* Schema::find(std::string_view path) const {
  for (const Field& field : fields_) {
    if (field.path == path) return &field;
  }
  return nullptr;
}

std::vector<std::string> Schema::paths() const {
  std::vector<std::string> names;
  for (const Field& field : fields_) names.push_back(field.path);
  return names;
}

void read_json(const Schema& schema, const Json& object, const std::string& origin,
               Provenance* provenance) {
  HAT_CHECK(object.is_object(), ErrorKind::kConfig,
            str(origin, ": must be a JSON object (got ", object.type_name(), ")"));
  read_level(schema, object, "", origin, provenance);
}

void set_value(const Schema& schema, std::string_view path, std::string_view text,
               const std::string& origin, Provenance* provenance) {
  const Field* field = schema.find(path);
  HAT_CHECK(
      field != nullptr, ErrorKind::kConfig,
      str(origin, ": unknown key '", path, "'.", did_you_mean(std::string(path), schema.paths())),
      "docs/config.md lists every key.");
  const bool is_list = std::holds_alternative<std::vector<int>*>(field->ref) ||
                       std::holds_alternative<std::vector<double>*>(field->ref) ||
                       std::holds_alternative<std::vector<std::string>*>(field->ref);
  const bool is_text = std::holds_alternative<std::string*>(field->ref);
  Json value;
  if (is_text) {
    value = std::string(text);
  } else if (is_list && !trim(text).starts_with('[')) {
    value = Json::array();
    const bool numbers = !std::holds_alternative<std::vector<std::string>*>(field->ref);
    for (const std::string& part : split(text, ',')) {
      if (trim(text).empty()) break;
      const Json element = numbers ? Json::parse(trim(part), nullptr, false) : Json();
      value.push_back(numbers ? element : Json(std::string(trim(part))));
    }
  } else {
    value = Json::parse(text, nullptr, /*allow_exceptions=*/false);
    if (value.is_discarded()) value = std::string(text);
  }
  store(*field, value, origin);
  if (provenance != nullptr) (*provenance)[field->path] = origin;
}

void apply_assignment(const Schema& schema, std::string_view assignment, const std::string& origin,
                      Provenance* provenance) {
  const size_t equals = assignment.find('=');
  HAT_CHECK(equals != std::string_view::npos && equals > 0, ErrorKind::kUsage,
            str(origin, " ", assignment, ": expected key=value"),
            "Example: --set train.dropout=0.2");
  set_value(schema, trim(assignment.substr(0, equals)), assignment.substr(equals + 1), origin,
            provenance);
}

void check_values(const Schema& schema, const Provenance& provenance) {
  for (const Field& field : schema.fields()) {
    const auto it = provenance.find(field.path);
    check_field(field, it == provenance.end() ? "default" : it->second);
  }
}

OrderedJson to_json(const Schema& schema) {
  OrderedJson root = OrderedJson::object();
  for (const Field& field : schema.fields()) put(root, field.path, field_json(field));
  return root;
}

OrderedJson to_json_changed(const Schema& schema, const Schema& defaults) {
  OrderedJson root = OrderedJson::object();
  for (const Field& field : schema.fields()) {
    const Field* other = defaults.find(field.path);
    OrderedJson value = field_json(field);
    if (other == nullptr || field_json(*other) != value) put(root, field.path, std::move(value));
  }
  return root;
}

std::string value_text(const Field& field) {
  return std::visit(Overloaded{
                        [](const std::string* v) { return *v; },
                        [](const auto* v) { return OrderedJson(*v).dump(); },
                    },
                    field.ref);
}

std::string type_name(const Field& field) {
  return std::visit(Overloaded{
                        [](const bool*) { return "true or false"; },
                        [](const int*) { return "whole number"; },
                        [](const int64_t*) { return "whole number"; },
                        [](const double*) { return "number"; },
                        [](const std::string*) { return "text"; },
                        [](const std::vector<int>*) { return "list of whole numbers"; },
                        [](const std::vector<double>*) { return "list of numbers"; },
                        [](const std::vector<std::string>*) { return "list of texts"; },
                    },
                    field.ref);
}

std::string constraint_text(const Field& field) {
  if (!field.choices.empty()) return "one of " + join(field.choices, ", ");
  if (field.min && field.max) return number_text(*field.min) + " to " + number_text(*field.max);
  if (field.min) return "at least " + number_text(*field.min);
  return "";
}

std::string to_markdown(const Schema& schema) {
  std::string out;
  std::string section = "\n";  // differs from every real section
  for (const Field& field : schema.fields()) {
    const size_t dot = field.path.rfind('.');
    const std::string of = dot == std::string::npos ? "" : field.path.substr(0, dot);
    if (of != section) {
      section = of;
      if (!of.empty()) out += str("\n## ", of, "\n\n", schema.section_docs().at(of), "\n");
      out += "\n| key | type | default | allowed | meaning |\n|---|---|---|---|---|\n";
    }
    const std::string text = value_text(field);
    out += str("| `", field.path, "` | ", type_name(field), " | ",
               text.empty() ? "" : "`" + text + "`", " | ", constraint_text(field), " | ",
               field.doc, " |\n");
  }
  return out;
}

}  // namespace hat::config
