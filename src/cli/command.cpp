#include "command.h"

#include <cstdio>

#include "hat/base/cpu.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"

namespace hat::cli {
namespace {

Invocation& mutable_invocation() {
  static Invocation value;
  return value;
}

}  // namespace

std::string Invocation::text() const {
  std::vector<std::string> words = argv;
  if (!words.empty()) words[0] = "hat";
  return join(words, " ");
}

const Invocation& invocation() { return mutable_invocation(); }

void set_invocation(int argc, char** argv) { mutable_invocation().argv.assign(argv, argv + argc); }

void WorkspaceFlags::declare(CLI::App& app) {
  app.add_option("-C,--workspace", directory_, "Work in this folder, not the current one")
      ->type_name("DIR");
  app.add_option("--set", assignments_, "Override a key of hat.json: --set train.dropout=0.2")
      ->type_name("KEY=VALUE")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  bind(app, "--seed", "seed");
  bind(app, "--threads", "threads");
}

void WorkspaceFlags::bind(CLI::App& app, const std::string& flag, const std::string& key) {
  config::WorkspaceConfig defaults;
  const config::Schema schema = config::schema_of(defaults);
  const config::Field* field = schema.find(key);
  HAT_DCHECK(field != nullptr);
  auto bound = std::make_shared<Bound>(Bound{flag, key, ""});
  bound_.push_back(bound);
  std::string help = field->doc;
  const std::string limits = config::constraint_text(*field);
  if (!limits.empty()) help += str(" (", limits, ")");
  const std::string text = config::value_text(*field);
  if (!text.empty()) help += str(" [", text, "]");
  if (std::holds_alternative<bool*>(field->ref)) {
    app.add_flag_callback(
        flag, [bound] { bound->value = "true"; }, help);
  } else {
    app.add_option(flag, bound->value, help)->type_name("VALUE");
  }
}

config::Workspace WorkspaceFlags::open() const {
  config::Workspace workspace = config::Workspace::find(directory_, assignments_);
  for (const auto& bound : bound_) {
    if (!bound->value.empty()) workspace.set(bound->key, bound->value, "flag " + bound->flag);
  }
  return workspace;
}

config::WorkspaceConfig WorkspaceFlags::settings() const {
  try {
    return open().config();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kUsage || directory_ != ".") throw;
  }
  config::WorkspaceConfig settings;
  config::Provenance origins;
  const config::Schema schema = config::schema_of(settings);
  for (const auto& assignment : assignments_)
    config::apply_assignment(schema, assignment, "--set", &origins);
  for (const auto& bound : bound_) {
    if (!bound->value.empty())
      config::set_value(schema, bound->key, bound->value, "flag " + bound->flag, &origins);
  }
  return settings;
}

int WorkspaceFlags::threads(const config::Workspace& workspace) {
  return threads(workspace.config());
}

int WorkspaceFlags::threads(const config::WorkspaceConfig& settings) {
  const int asked = settings.threads;
  return asked > 0 ? asked : cpu_info().logical_cores;
}

void print(std::string_view text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size();
  HAT_CHECK(written && std::fflush(stdout) == 0, ErrorKind::kIo,
            "the results cannot be written to standard output",
            "The reader has gone, or the disk is full.");
}

void print_json(const config::OrderedJson& value) { print_line(value.dump(2)); }

}  // namespace hat::cli
