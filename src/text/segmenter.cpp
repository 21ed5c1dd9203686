#include "text/segmenter.h"

#include <algorithm>
#include <queue>
#include <unordered_map>

namespace hat::text {
namespace {

constexpr float kUnknownPenalty = 10.0f;

// Length of a UTF-8 character by its first byte, as the library sees it.
size_t character_length(std::string_view text) {
  static constexpr uint8_t kLengths[16] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 2, 2, 3, 4};
  return std::min<size_t>(kLengths[static_cast<uint8_t>(text.front()) >> 4], text.size());
}

}  // namespace

std::vector<Segment> segment_unigram(const PieceTable& table, std::string_view normalized) {
  struct Node {
    float score = 0;  // of the best path that ends here
    int start = -1;
    int id = -1;
  };
  const size_t size = normalized.size();
  const float unknown_score = table.min_score - kUnknownPenalty;
  std::vector<Node> ends(size + 1);
  for (size_t start = 0; start < size;) {
    const float score_here = ends[start].score;
    const size_t character = character_length(normalized.substr(start));
    bool has_character = false;
    uint32_t node = PieceTrie::kRoot;
    for (size_t end = start; end < size;) {
      node = table.trie.child(node, static_cast<uint8_t>(normalized[end]));
      if (node == PieceTrie::kNone) break;
      ++end;
      const int id = table.trie.value(node);
      if (id < 0 || table.types[static_cast<size_t>(id)] == PieceType::kUnused) continue;
      // In double, as the library compares; a user-defined piece costs almost nothing.
      const double score = table.types[static_cast<size_t>(id)] == PieceType::kUserDefined
                               ? static_cast<float>(end - start) * table.max_score - 0.1
                               : table.scores[static_cast<size_t>(id)];
      const double candidate = score + score_here;
      Node& target = ends[end];
      if (target.start == -1 || candidate > target.score) {
        target = {static_cast<float>(candidate), static_cast<int>(start), id};
      }
      has_character = has_character || end - start == character;
    }
    if (!has_character) {
      const float candidate = unknown_score + score_here;
      Node& target = ends[start + character];
      if (target.start == -1 || candidate > target.score) {
        target = {candidate, static_cast<int>(start), table.unk};
      }
    }
    start += character;
  }
  std::vector<Segment> segments;
  for (size_t end = size; end > 0;) {
    const size_t start = static_cast<size_t>(ends[end].start);
    segments.push_back({normalized.substr(start, end - start), ends[end].id});
    end = start;
  }
  std::reverse(segments.begin(), segments.end());
  return segments;
}

namespace {

/// One run of the merge procedure over one text.
class BpeMerger {
 public:
  explicit BpeMerger(const PieceTable& table) : table_(table) {}

  std::vector<Segment> run(std::string_view text) {
    split(text);
    for (int i = 1; i < static_cast<int>(symbols_.size()); ++i) add_pair(i - 1, i);
    while (!agenda_.empty()) {
      const Pair top = agenda_.top();
      agenda_.pop();
      merge(top);
    }
    std::vector<Segment> segments;
    for (int i = symbols_.empty() ? -1 : 0; i != -1; i = symbols_[at(i)].next) {
      emit(symbols_[at(i)].text, &segments);
    }
    return segments;
  }

 private:
  struct Symbol {
    std::string_view text;
    int previous;
    int next;
    bool frozen;
  };
  struct Pair {
    int left;
    int right;
    float score;
    size_t size;
    // The heap yields the best score, of equal ones the leftmost.
    bool operator<(const Pair& other) const {
      return score < other.score || (score == other.score && left > other.left);
    }
  };

  static size_t at(int i) { return static_cast<size_t>(i); }

  void split(std::string_view text) {
    while (!text.empty()) {
      const size_t kept = table_.user_defined.longest_prefix(text);
      const size_t length = kept > 0 ? kept : character_length(text);
      const int index = static_cast<int>(symbols_.size());
      symbols_.push_back({text.substr(0, length), index - 1, index + 1, kept > 0});
      text.remove_prefix(length);
    }
    if (!symbols_.empty()) symbols_.back().next = -1;
  }

  void add_pair(int left, int right) {
    if (left == -1 || right == -1) return;
    const Symbol& a = symbols_[at(left)];
    const Symbol& b = symbols_[at(right)];
    if (a.frozen || b.frozen) return;
    const std::string_view joined(a.text.data(), a.text.size() + b.text.size());
    const int id = table_.trie.find(joined);
    if (id < 0) return;
    agenda_.push({left, right, table_.scores[at(id)], joined.size()});
    if (table_.types[at(id)] == PieceType::kUnused) {
      parts_[joined] = {a.text, b.text};
    }
  }

  void merge(const Pair& pair) {
    Symbol& left = symbols_[at(pair.left)];
    Symbol& right = symbols_[at(pair.right)];
    if (left.text.empty() || right.text.empty() ||
        left.text.size() + right.text.size() != pair.size) {
      return;  // one of the two has been merged with another meanwhile
    }
    left.text = std::string_view(left.text.data(), pair.size);
    left.next = right.next;
    if (right.next >= 0) symbols_[at(right.next)].previous = pair.left;
    right.text = {};
    add_pair(left.previous, pair.left);
    add_pair(pair.left, left.next);
  }

  // A piece that may not be used is taken apart again. Its parts are shorter, so this ends; the
  // stack is explicit because a hostile model could nest them deeply.
  void emit(std::string_view text, std::vector<Segment>* segments) {
    std::vector<std::string_view> stack = {text};
    while (!stack.empty()) {
      const std::string_view top = stack.back();
      stack.pop_back();
      const int id = table_.trie.find(top);
      const auto parts = parts_.find(top);
      if (id >= 0 && table_.types[at(id)] == PieceType::kUnused && parts != parts_.end()) {
        stack.push_back(parts->second.second);
        stack.push_back(parts->second.first);
      } else {
        segments->push_back({top, id < 0 ? table_.unk : id});
      }
    }
  }

  const PieceTable& table_;
  std::vector<Symbol> symbols_;
  std::priority_queue<Pair> agenda_;
  std::unordered_map<std::string_view, std::pair<std::string_view, std::string_view>> parts_;
};

}  // namespace

std::vector<Segment> segment_bpe(const PieceTable& table, std::string_view normalized) {
  return BpeMerger(table).run(normalized);
}

}  // namespace hat::text
