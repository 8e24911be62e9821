// SPDX-License-Identifier: MIT
// The containers that a pickle makes while it is read: what may go out is a tree of bounded depth and size, and what
// may not is taken apart, since a pickle can nest a million values, or put a list into itself.
#pragma once
#include <algorithm>
#include <string_view>
#include <unordered_map>

#include <modelgrow/checkpoint/pickle_value.hpp>
#include <modelgrow/core/error.hpp>

namespace modelgrow::inline v0::detail {

/// Calls f with every value that another one holds, keys included.
template <class F>
void for_each_child(const PickleValue& value, F&& f) {
  if (const auto* tuple = value.get<PickleTuple>()) {
    for (const auto& v : tuple->values) f(v);
  } else if (const auto* list = value.get<PickleList>()) {
    for (const auto& v : list->values) f(v);
  } else if (const auto* dict = value.get<PickleDict>()) {
    for (const auto& [k, v] : dict->items) {
      f(k);
      f(v);
    }
    f(dict->attributes);
  } else if (const auto* object = value.get<PickleObject>()) {
    for (const auto& v : object->arguments.values) f(v);
    f(object->state);
  }
}

/// Every container that was made. Whatever was not accepted is emptied at the end, one by one.
class PickleNodes {
 public:
  PickleNodes() = default;
  PickleNodes(PickleNodes&&) = delete;
  ~PickleNodes() {  // all of them are held here, so that none is destroyed within another
    for (auto& node : nodes_) {
      if (trees_.contains(node.identity())) continue;
      if (auto* tuple = node.edit<PickleTuple>()) tuple->values.clear();
      if (auto* list = node.edit<PickleList>()) list->values.clear();
      if (auto* dict = node.edit<PickleDict>()) *dict = {};
      if (auto* object = node.edit<PickleObject>()) *object = {};
    }
  }

  /// Throws format_error for one more than any state of a model needs, so that memory stays bounded.
  PickleValue add(PickleValue node) {
    if (nodes_.size() == most_nodes)
      throw format_error("it makes more than " + std::to_string(most_nodes) + " containers");
    nodes_.push_back(node);
    return node;
  }
  /// Throws format_error unless the value is a tree of Pickle::max_depth that unfolds into at most `most` values.
  void accept(const PickleValue& root, std::uint64_t most) try {
    if (tree_of(root, 0, most).size > most)
      throw format_error("its values refer to each other so often that they unfold into more than " +
                         std::to_string(most));
  } catch (...) {
    trees_.clear();
    throw;
  }

 private:
  struct Tree {
    std::uint64_t size = 0;  // values in it; 0 while they are counted
    int height = 0;
  };

  /// The tree below a value; sizes end at most + 1.
  Tree tree_of(const PickleValue& value, int depth, std::uint64_t most) {
    const void* const id = value.identity();
    const auto known = id ? trees_.find(id) : trees_.end();
    Tree tree{.size = 1};
    if (known != trees_.end()) {
      if (known->second.size == 0) throw format_error("a value contains itself");
      tree = known->second;
    }
    if (depth + tree.height > Pickle::max_depth)
      throw format_error("values are nested deeper than " + std::to_string(Pickle::max_depth) + " levels");
    if (known != trees_.end()) return tree;
    if (id) trees_[id].size = 0;
    check_keys(value);
    for_each_child(value, [&](const PickleValue& child) {
      const Tree below = tree_of(child, depth + 1, most);
      tree.size = std::min(most + 1, tree.size + below.size);
      tree.height = std::max(tree.height, below.height + 1);
    });
    if (id) trees_[id] = tree;
    return tree;
  }
  /// Keys are compared with each other, which takes as long as they are, and one text can be the key of many dicts.
  static const std::string& checked(const std::string& key) {
    if (key.size() > most_characters)
      throw format_error("a dict has a key of " + std::to_string(key.size()) + " characters; at most " +
                         std::to_string(most_characters));
    return key;
  }
  static void check_keys(const PickleValue& value) {
    const auto* dict = value.get<PickleDict>();
    if (!dict) return;
    std::vector<std::string_view> texts;
    std::vector<std::int64_t> numbers;
    for (const auto& [key, held] : dict->items) {
      if (const auto* text = key.get<std::string>()) texts.push_back(checked(*text));
      if (const auto* number = key.get<std::int64_t>()) numbers.push_back(*number);
    }
    std::ranges::sort(texts);
    std::ranges::sort(numbers);
    if (const auto twice = std::ranges::adjacent_find(texts); twice != texts.end())
      throw format_error("a dict has the key '" + std::string(*twice) + "' twice");
    if (const auto twice = std::ranges::adjacent_find(numbers); twice != numbers.end())
      throw format_error("a dict has the key " + std::to_string(*twice) + " twice");
  }

  static constexpr std::size_t most_characters = 4096, most_nodes = std::size_t{1} << 21;
  std::vector<PickleValue> nodes_;
  std::unordered_map<const void*, Tree> trees_;  // of what was accepted, by identity
};

}  // namespace modelgrow::inline v0::detail
