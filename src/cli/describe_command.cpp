#include <algorithm>

#include "commands.h"
#include "explain.h"
#include "hat/arch/cost.h"
#include "hat/base/error.h"
#include "hat/base/strings.h"
#include "hat/edge/model_file.h"

namespace hat::cli {
namespace {

using config::OrderedJson;

struct Options {
  std::string subject;
  std::string architecture;
  std::string space;
  int source_length = 30;
  int target_length = 30;
  int vocabulary = 32000;
  int beam = 5;
  int qkv_dim = 512;
  bool list_spaces = false;
  bool explain = false;
  std::string workspace = ".";
  std::string device;
  bool json = false;
};

std::string row(const std::string& name, const std::string& value) {
  return "  " + name + std::string(name.size() < 34 ? 34 - name.size() : 1, ' ') + value + "\n";
}

OrderedJson costs(const arch::Architecture& a, const arch::ModelOptions& options,
                  const Options& flags) {
  const arch::Vocabulary vocabulary{flags.vocabulary, flags.vocabulary};
  const arch::Workload workload{1, flags.beam, flags.source_length, flags.target_length,
                                vocabulary};
  OrderedJson bytes;
  for (const auto p : {arch::Precision::kFp32, arch::Precision::kInt8, arch::Precision::kInt4}) {
    bytes[arch::precision_name(p)] = arch::model_bytes(a, options, vocabulary, p);
  }
  return {{"id", arch::architecture_id(a)},
          {"parameters_without_embeddings", arch::parameters_without_embeddings(a, options)},
          {"parameters", arch::parameters(a, options, vocabulary)},
          {"flops_original", arch::flops_like_original(a, flags.source_length)},
          {"flops_decoding", arch::flops_decoding(a, workload)},
          {"bytes", bytes},
          {"original_features", arch::original_features(a)},
          {"workload", arch::to_json(workload)}};
}

std::string cost_table(const OrderedJson& c, const Options& flags) {
  const auto number = [&](const char* key) { return c[key].get<double>(); };
  std::string out = row("id", c["id"]);
  out += row("parameters without word tables",
             str(format_count(number("parameters_without_embeddings")), "  (",
                 with_commas(c["parameters_without_embeddings"].get<uint64_t>()),
                 "; as the original counts)"));
  out += row("parameters in all", str(format_count(number("parameters")), "  (",
                                      with_commas(c["parameters"].get<uint64_t>()), ", vocabulary ",
                                      with_commas(flags.vocabulary), ")"));
  out += row("size fp32 / int8 / int4",
             str(format_bytes(c["bytes"]["fp32"]), " / ", format_bytes(c["bytes"]["int8"]), " / ",
                 format_bytes(c["bytes"]["int4"])));
  out += row("FLOPs, one teacher-forced pass",
             str(format_count(number("flops_original")), "  (", flags.source_length,
                 " tokens; as the original counts)"));
  out += row("FLOPs, really translating",
             str(format_count(number("flops_decoding")), "  (", flags.source_length, " tokens in, ",
                 flags.target_length, " out, beam ", flags.beam, ")"));
  return out;
}

void describe_architecture(const Options& flags) {
  const arch::Architecture a = arch::load_architecture(flags.architecture, flags.qkv_dim);
  if (flags.explain) {
    print(explain(a, flags.workspace, flags.device, flags.json));
    return;
  }
  arch::ModelOptions options;
  if (!flags.space.empty()) options = arch::SearchSpace::named(flags.space).options();
  OrderedJson result = costs(a, options, flags);
  if (flags.json) {
    result["architecture"] = arch::to_json(a);
    print_json(result);
    return;
  }
  print(str(flags.architecture, "\n", cost_table(result, flags), "\n", arch::draw(a)));
}

void describe_space(const Options& flags) {
  const arch::SearchSpace space = arch::SearchSpace::named(flags.space);
  const OrderedJson smallest = costs(space.smallest(), space.options(), flags);
  const OrderedJson largest = costs(space.largest(), space.options(), flags);
  if (flags.json) {
    print_json({{"space", space.to_json()},
                {"id", space.id()},
                {"count", space.count()},
                {"gene_slots", space.slots().size()},
                {"smallest", smallest},
                {"largest", largest}});
    return;
  }
  std::string count = space.count();
  if (count.find_first_not_of("0123456789") == std::string::npos && count.size() < 20) {
    count = with_commas(std::stoull(count));
  }
  std::string out =
      str("space ", space.name(), "  (", space.id(), ")\n", row("architectures", count));
  const auto range = [&](const std::string& name, const char* key, auto format) {
    out += row(
        name, str(format(smallest[key].get<double>()), " to ", format(largest[key].get<double>())));
  };
  range("parameters without word tables", "parameters_without_embeddings", format_count);
  range(str("parameters, vocabulary ", with_commas(flags.vocabulary)), "parameters", format_count);
  for (const char* precision : {"fp32", "int8", "int4"}) {
    out += row(str("size in ", precision), str(format_bytes(smallest["bytes"][precision]), " to ",
                                               format_bytes(largest["bytes"][precision])));
  }
  range(str("FLOPs, one pass of ", flags.source_length, " tokens"), "flops_original", format_count);
  range(str("FLOPs, translating with beam ", flags.beam), "flops_decoding", format_count);
  out += "  genes\n";
  for (const arch::Gene& gene : space.genes()) {
    std::vector<std::string> choices;
    for (int choice : gene.choices) choices.push_back(std::to_string(choice));
    const char* scope = gene.scope == arch::Scope::kModel ? "" : ", in every layer";
    out += "  " + row(gene.name, join(choices, ", ") + scope);
  }
  print(out + "\nlargest\n" + arch::draw(space.largest()));
}

void run(Options flags) {
  if (!flags.subject.empty()) {
    HAT_CHECK(flags.architecture.empty(), ErrorKind::kUsage, "give one file, not two");
    flags.architecture = flags.subject;
  }
  if (flags.architecture.ends_with(".hat")) {
    print_line(edge::describe_model_file(flags.architecture));
    return;
  }
  if (flags.list_spaces) {
    for (const std::string& name : arch::SearchSpace::shipped_names()) print_line(name);
  } else if (!flags.architecture.empty()) {
    describe_architecture(flags);
  } else if (!flags.space.empty()) {
    describe_space(flags);
  } else {
    fail(ErrorKind::kUsage, "nothing to describe",
         "Give --arch FILE (hat's JSON or the original's YAML), or --space NAME; --spaces lists "
         "them.");
  }
}

}  // namespace

Command describe_command() {
  auto options = std::make_shared<Options>();
  return {"describe",
          kInspectGroup,
          "Parameters, FLOPs and bytes of an architecture or a space",
          "Counts as the original HAT does, and honestly: with word tables, and for translating "
          "token by\n"
          "token rather than one teacher-forced pass.\n\n"
          "Examples:\n"
          "  hat describe --arch searches/1/architecture.json\n"
          "  hat describe --arch HAT_wmt14ende_raspberrypi.yml --json\n"
          "  hat describe --space wmt\n"
          "  hat describe model.hat            what is in a model file, as JSON\n",
          [options](CLI::App& app) {
            app.add_option("file", options->subject, "The same as --arch");
            app.add_option("--arch", options->architecture,
                           "An architecture: hat's JSON, or the original's YAML")
                ->type_name("FILE");
            app.add_option("--space", options->space, "A shipped space or a space's file")
                ->type_name("NAME");
            app.add_flag("--spaces", options->list_spaces, "List the shipped spaces");
            app.add_option("--vocabulary", options->vocabulary, "Words of each language [32000]")
                ->check(CLI::Range(5, 1 << 24));
            app.add_option("--source", options->source_length, "Source tokens [30]")
                ->check(CLI::Range(1, 4096));
            app.add_option("--target", options->target_length, "Decoded tokens [30]")
                ->check(CLI::Range(1, 4096));
            app.add_option("--beam", options->beam, "Beam size [5]")->check(CLI::Range(1, 64));
            app.add_option("--qkv-dim", options->qkv_dim,
                           "Attention width where the original's YAML does not say [512]")
                ->check(CLI::Range(1, 65536));
            app.add_flag("--explain", options->explain,
                         "Predicted latency on a measured device, and which gene costs how much");
            app.add_option("--device", options->device, "With --explain [latency.device]");
            app.add_option("-C,--workspace", options->workspace, "With --explain: the workspace")
                ->type_name("DIR");
            app.add_flag("--json", options->json, "Print JSON");
          },
          [options] { run(*options); }};
}

}  // namespace hat::cli
