#include "arguments.h"
#include "commands.h"
#include "hat/base/cpu.h"
#include "hat/base/strings.h"
#include "hat/base/version.h"
#include "hat/edge/isa.h"
#include "hat/edge/model_file.h"

namespace hat::run {

int info_command(const Args& arguments) {
  std::string model;
  Arguments args("info", "Shows what this program and machine can do, or what is in a model file.");
  args.positional("MODEL", "a model file: print what it holds as JSON", &model);
  std::string help;
  if (!args.parse(arguments, &help)) {
    print(help);
    return 0;
  }
  if (!model.empty()) {
    print(edge::describe_model_file(model) + "\n");
    return 0;
  }
  const CpuInfo& cpu = cpu_info();
  std::string isas;
  for (const edge::Isa isa : edge::supported_isas()) isas += str(" ", edge::isa_name(isa));
  print(str("hat-run ", version(), " (", build_commit(), ", ", build_description(), ")\n",
            "machine   ", cpu.architecture, ", ", cpu.model, ", ", cpu.logical_cores, " cores\n",
            "features  ", cpu.features(), "\n", "kernels  ", isas, "\n", "in use    ",
            edge::isa_name(edge::active_isa()), "\n"));
  return 0;
}

}  // namespace hat::run
