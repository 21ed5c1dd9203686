#include "hat/base/units.h"

#include <charconv>
#include <cmath>
#include <string>
#include <vector>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat {

namespace {

struct Unit {
  std::string_view name;
  double factor;
};

// How one kind of quantity is written; `example` completes the hint.
struct Quantity {
  std::string_view what;
  std::string_view example;
  std::vector<Unit> units;
  bool fold_case = false;
  bool unit_required = true;
};

std::string unit_names(const Quantity& quantity) {
  std::vector<std::string> names;
  for (const Unit& unit : quantity.units) names.emplace_back(unit.name);
  return join(names, ", ");
}

double factor_of(std::string_view unit_name, std::string_view text, const Quantity& quantity) {
  if (unit_name.empty() && !quantity.unit_required) return 1;
  HAT_CHECK(!unit_name.empty(), ErrorKind::kUsage,
            str("'", text, "' is not a ", quantity.what, ": it has no unit"),
            str("Write the unit, for example ", quantity.example, " (units: ", unit_names(quantity),
                ")."));
  for (const Unit& unit : quantity.units) {
    if (unit.name == unit_name) return unit.factor;
    if (quantity.fold_case && to_lower_ascii(unit.name) == to_lower_ascii(unit_name)) {
      return unit.factor;
    }
  }
  fail(ErrorKind::kUsage,
       str("'", text, "' is not a ", quantity.what, ": unknown unit '", unit_name, "'"),
       str("Units: ", unit_names(quantity), "; for example ", quantity.example, "."));
}

double parse_quantity(std::string_view original, const Quantity& quantity) {
  const std::string_view text = trim(original);
  const std::string hint = str("Write it like ", quantity.example, ".");
  double number = 0;
  const char* end = text.data() + text.size();
  const auto result = std::from_chars(text.data(), end, number);
  HAT_CHECK(result.ec == std::errc() && std::isfinite(number), ErrorKind::kUsage,
            str("'", original, "' is not a ", quantity.what), hint);
  const auto digits = static_cast<size_t>(result.ptr - text.data());
  const double value = number * factor_of(trim(text.substr(digits)), original, quantity);
  HAT_CHECK(value >= 0, ErrorKind::kUsage,
            str("'", original, "' is not a ", quantity.what, ": it is negative"), hint);
  HAT_CHECK(std::isfinite(value), ErrorKind::kUsage,
            str("'", original, "' is not a ", quantity.what, ": it is too large"), hint);
  return value;
}

}  // namespace

double parse_duration_ms(std::string_view text) {
  static const Quantity kDuration = {
      "duration",
      "200ms or 1.5s",
      {{"us", 1e-3}, {"ms", 1}, {"s", 1e3}, {"min", 60e3}, {"h", 3600e3}}};
  return parse_quantity(text, kDuration);
}

double parse_bytes(std::string_view text) {
  static const Quantity kSize = {"size",
                                 "20MB or 512KiB",
                                 {{"B", 1},
                                  {"KB", 1e3},
                                  {"MB", 1e6},
                                  {"GB", 1e9},
                                  {"TB", 1e12},
                                  {"KiB", 1024.0},
                                  {"MiB", 1048576.0},
                                  {"GiB", 1073741824.0},
                                  {"TiB", 1099511627776.0}},
                                 /*fold_case=*/true};
  return parse_quantity(text, kSize);
}

double parse_energy_j(std::string_view text) {
  static const Quantity kEnergy = {
      "energy", "120mJ or 0.5J", {{"uJ", 1e-6}, {"mJ", 1e-3}, {"J", 1}, {"kJ", 1e3}}};
  return parse_quantity(text, kEnergy);
}

double parse_count(std::string_view text) {
  // Capitals matter here: "30m" might as well be meant as 30 milli.
  static const Quantity kCount = {"count",
                                  "30M or 1500000",
                                  {{"k", 1e3}, {"K", 1e3}, {"M", 1e6}, {"G", 1e9}, {"T", 1e12}},
                                  /*fold_case=*/false,
                                  /*unit_required=*/false};
  return parse_quantity(text, kCount);
}

}  // namespace hat
