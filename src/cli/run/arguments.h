#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

namespace hat::run {

/// The flags of one command of hat-run: few, so that no parsing library has to be on the device.
/// "--beam 5", "--beam=5", "--json"; everything else is a positional argument.
class Arguments {
 public:
  Arguments(std::string command, std::string summary);

  void text(std::string name, std::string value_name, std::string help, std::string* target);
  void number(std::string name, std::string help, int64_t low, int64_t high, int* target);
  void real(std::string name, std::string help, double low, double high, double* target);
  void flag(std::string name, std::string help, bool* target);
  void positional(std::string name, std::string help, std::string* target);

  /// False when --help was asked for (and printed to `help`). Throws kUsage with the nearest name.
  bool parse(const std::vector<std::string>& arguments, std::string* help);
  std::string help() const;

 private:
  struct Option {
    std::string name;
    std::string value_name;  ///< empty: takes no value
    std::string help;
    std::function<void(const std::string&)> set;
  };
  const Option& find(const std::string& name) const;

  std::string command_;
  std::string summary_;
  std::vector<Option> options_;
  std::vector<Option> positionals_;
};

}  // namespace hat::run
