#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

namespace hat::text {

/// Maps byte strings to numbers and walks over all prefixes of a text. The children of a node lie
/// side by side, so a step is one search among their labels: 9 bytes a node.
class PieceTrie {
 public:
  static constexpr uint32_t kRoot = 0;
  static constexpr uint32_t kNone = 0xFFFFFFFF;

  PieceTrie() = default;
  /// `entries`: distinct, not empty strings and values >= 0.
  explicit PieceTrie(std::vector<std::pair<std::string_view, int>> entries);

  bool empty() const { return values_.size() <= 1; }
  /// The child of `node` along `byte`, or kNone.
  uint32_t child(uint32_t node, uint8_t byte) const;
  /// The value at `node`, or -1.
  int value(uint32_t node) const { return values_[node]; }
  /// The value of exactly this string, or -1.
  int find(std::string_view text) const;
  /// Bytes of the longest entry that the text begins with; 0 when none does.
  size_t longest_prefix(std::string_view text) const;
  /// Whether any entry begins with this string.
  bool starts_with(std::string_view text) const;

 private:
  std::vector<uint8_t> labels_;        // of each node: the byte that leads to it
  std::vector<uint32_t> first_child_;  // one more than nodes
  std::vector<int32_t> values_;
};

}  // namespace hat::text
