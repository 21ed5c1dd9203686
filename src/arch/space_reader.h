#pragma once

#include <map>
#include <string>
#include <vector>

#include "hat/arch/search_space.h"

namespace hat::arch {

/// A space as a file states it, before genes are completed from one another: what both hat's JSON
/// and the original's YAML are read into.
struct SpaceDescription {
  std::string name;
  Family family = Family::kSeq2Seq;
  ModelOptions options;
  int head_dim = 0;                                 ///< 0: heads are genes
  std::map<std::string, std::vector<int>> choices;  ///< by gene name, in the file's order
  std::map<std::string, int> super;                 ///< sizes of the SuperTransformer where given
};

/// Completes and checks a description, and builds the space.
class SpaceReader {
 public:
  static SearchSpace build(SpaceDescription description, const std::string& origin);
};

SpaceDescription describe_json_space(const config::Json& json, const std::string& origin);
SpaceDescription describe_original_space(const config::Json& yaml, const std::string& origin);

}  // namespace hat::arch
