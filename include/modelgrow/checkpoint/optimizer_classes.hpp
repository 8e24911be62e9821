// SPDX-License-Identifier: MIT
// Which optimizer left a state: told by the options of its groups and the entries of its parameters, never guessed.
#pragma once
#include <array>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/checkpoint/pickle_value.hpp>

namespace modelgrow::inline v0 {

/// What the shape of an entry has to do with that of the parameter: it is the same, has as many elements in one row,
/// lacks one of the last two axes or has size 1 there, or is one number.
enum class EntryShape { whole, flat, factored, number };

/// An entry that an optimizer may have for a parameter, under the name that its package gives it and that of this
/// library.
struct OptimizerEntry {
  std::string_view name, here;
  EntryShape shape = EntryShape::whole;
};

/// An optimizer of some package. `word` begins the names of its state, and is empty where that cannot be moved.
struct OptimizerClass {
  std::string_view word, title;
  std::span<const OptimizerEntry> entries;

  const OptimizerEntry* find(std::string_view entry) const;
};

/// What is known of a state: its kind, and for one that nobody knows its options and entries in words.
struct KnownOptimizer {
  const OptimizerClass* kind = nullptr;
  std::string title;
};

/// The optimizer with these options (one dictionary a group) and entries. Nothing that fits, or two: no kind, and a
/// title that says what was found.
KnownOptimizer tell_optimizer(const std::vector<const PickleDict*>& groups, const std::set<std::string>& entries);

/// The optimizer of a word, for callers who know; nullptr for none.
const OptimizerClass* optimizer_class(std::string_view word);

}  // namespace modelgrow::inline v0

#if !defined(MODELGROW_COMPILED)
#include <modelgrow/checkpoint/optimizer_classes_inl.hpp>
#endif
