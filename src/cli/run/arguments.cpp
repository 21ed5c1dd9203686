#include "arguments.h"

#include <utility>

#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::run {

Arguments::Arguments(std::string command, std::string summary)
    : command_(std::move(command)), summary_(std::move(summary)) {}

void Arguments::text(std::string name, std::string value_name, std::string help,
                     std::string* target) {
  options_.push_back({std::move(name), std::move(value_name), std::move(help),
                      [target](const std::string& value) { *target = value; }});
}

void Arguments::number(std::string name, std::string help, int64_t low, int64_t high, int* target) {
  const std::string shown = str(help, " [", *target, "]");
  options_.push_back({name, "N", shown, [=](const std::string& value) {
                        int64_t parsed = 0;
                        HAT_CHECK(parse_int(value, &parsed) && parsed >= low && parsed <= high,
                                  ErrorKind::kUsage,
                                  str("--", name, " must be a whole number from ", low, " to ",
                                      high, " (got '", value, "')"));
                        *target = static_cast<int>(parsed);
                      }});
}

void Arguments::real(std::string name, std::string help, double low, double high, double* target) {
  const std::string shown = str(help, " [", *target, "]");
  options_.push_back({name, "X", shown, [=](const std::string& value) {
                        double parsed = 0;
                        HAT_CHECK(parse_double(value, &parsed) && parsed >= low && parsed <= high,
                                  ErrorKind::kUsage,
                                  str("--", name, " must be a number from ", low, " to ", high,
                                      " (got '", value, "')"));
                        *target = parsed;
                      }});
}

void Arguments::flag(std::string name, std::string help, bool* target) {
  options_.push_back(
      {std::move(name), "", std::move(help), [target](const std::string&) { *target = true; }});
}

void Arguments::positional(std::string name, std::string help, std::string* target) {
  positionals_.push_back({std::move(name), "", std::move(help),
                          [target](const std::string& value) { *target = value; }});
}

const Arguments::Option& Arguments::find(const std::string& name) const {
  std::vector<std::string> names;
  for (const Option& option : options_) {
    if (option.name == name) return option;
    names.push_back(option.name);
  }
  fail(ErrorKind::kUsage, str("unknown flag --", name, did_you_mean(name, names)),
       str("hat-run ", command_, " --help lists the flags"));
}

bool Arguments::parse(const std::vector<std::string>& arguments, std::string* help_text) {
  size_t position = 0;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string& argument = arguments[i];
    if (argument == "--help" || argument == "-h") {
      *help_text = help();
      return false;
    }
    if (argument.rfind("--", 0) != 0) {
      HAT_CHECK(position < positionals_.size(), ErrorKind::kUsage,
                "unexpected argument '" + argument + "'",
                str("hat-run ", command_, " --help shows what it takes"));
      positionals_[position++].set(argument);
      continue;
    }
    const size_t equals = argument.find('=');
    const std::string name = argument.substr(2, equals == std::string::npos ? equals : equals - 2);
    const Option& option = find(name);
    if (option.value_name.empty()) {
      HAT_CHECK(equals == std::string::npos, ErrorKind::kUsage, "--" + name + " takes no value");
      option.set("");
    } else if (equals != std::string::npos) {
      option.set(argument.substr(equals + 1));
    } else {
      HAT_CHECK(i + 1 < arguments.size(), ErrorKind::kUsage, "--" + name + " needs a value");
      option.set(arguments[++i]);
    }
  }
  return true;
}

std::string Arguments::help() const {
  std::string out = str("usage: hat-run ", command_);
  for (const Option& p : positionals_) out += " [" + p.name + "]";
  out += " [flags]\n\n" + summary_ + "\n\n";
  const auto line = [&out](const std::string& left, const std::string& right) {
    out += "  " + left + std::string(left.size() < 26 ? 26 - left.size() : 1, ' ') + right + "\n";
  };
  for (const Option& p : positionals_) line(p.name, p.help);
  for (const Option& o : options_)
    line("--" + o.name + (o.value_name.empty() ? "" : " " + o.value_name), o.help);
  return out;
}

}  // namespace hat::run
