#include "text/piece_trie.h"

#include <algorithm>
#include <cstring>

namespace hat::text {

PieceTrie::PieceTrie(std::vector<std::pair<std::string_view, int>> entries) {
  std::sort(entries.begin(), entries.end());
  // Breadth first: a node stands for the sorted entries [begin, end), which share `depth` bytes.
  struct Range {
    size_t begin;
    size_t end;
    size_t depth;
  };
  std::vector<Range> ranges = {{0, entries.size(), 0}};
  labels_.push_back(0);
  for (size_t node = 0; node < ranges.size(); ++node) {
    auto [begin, end, depth] = ranges[node];
    int value = -1;
    if (begin < end && entries[begin].first.size() == depth) value = entries[begin++].second;
    values_.push_back(value);
    first_child_.push_back(static_cast<uint32_t>(ranges.size()));
    while (begin < end) {
      const char byte = entries[begin].first[depth];
      size_t stop = begin + 1;
      while (stop < end && entries[stop].first[depth] == byte) ++stop;
      ranges.push_back({begin, stop, depth + 1});
      labels_.push_back(static_cast<uint8_t>(byte));
      begin = stop;
    }
  }
  first_child_.push_back(static_cast<uint32_t>(ranges.size()));
}

uint32_t PieceTrie::child(uint32_t node, uint8_t byte) const {
  const uint32_t begin = first_child_[node];
  const uint32_t count = first_child_[node + 1] - begin;
  if (count == 0) return kNone;
  const void* found = std::memchr(labels_.data() + begin, byte, count);
  if (found == nullptr) return kNone;
  return static_cast<uint32_t>(static_cast<const uint8_t*>(found) - labels_.data());
}

int PieceTrie::find(std::string_view text) const {
  if (empty()) return -1;
  uint32_t node = kRoot;
  for (char c : text) {
    node = child(node, static_cast<uint8_t>(c));
    if (node == kNone) return -1;
  }
  return values_[node];
}

size_t PieceTrie::longest_prefix(std::string_view text) const {
  if (empty()) return 0;
  size_t longest = 0;
  uint32_t node = kRoot;
  for (size_t i = 0; i < text.size(); ++i) {
    node = child(node, static_cast<uint8_t>(text[i]));
    if (node == kNone) break;
    if (values_[node] >= 0) longest = i + 1;
  }
  return longest;
}

bool PieceTrie::starts_with(std::string_view text) const {
  if (empty()) return false;
  uint32_t node = kRoot;
  for (char c : text) {
    node = child(node, static_cast<uint8_t>(c));
    if (node == kNone) return false;
  }
  return true;
}

}  // namespace hat::text
