// SPDX-License-Identifier: MIT
// Optimizer state as a set of tensors holds it: for every parameter its optimizer, and its entries by name.
#pragma once
#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

#include <modelgrow/grow/optimizers/all.hpp>
#include <modelgrow/grow/outputs.hpp>

namespace modelgrow::inline v0 {

/// Keeps pointers to the tensors.
class HeldState {
 public:
  struct Entries {
    Optimizer optimizer;
    std::map<std::string, const TensorView*, std::less<>> tensors = {};
    const TensorView* find(std::string_view entry) const {
      const auto it = tensors.find(entry);
      return it == tensors.end() ? nullptr : it->second;
    }
  };

  /// Tensors with other names are not looked at. Throws format_error for an entry that its optimizer does not have, and
  /// for a parameter with state of two optimizers.
  explicit HeldState(const TensorSet& set) {
    for (const auto& t : set.tensors()) {
      auto parsed = parse_state_name(t.name);
      if (!parsed) continue;
      const auto& rule = rule_of(parsed->optimizer);
      if (!has_factor(rule, parsed->entry) && !find_entry(rule, parsed->entry)) {
        std::vector<std::string_view> known{master_entry.name};
        for (const auto& e : rule.entries) known.push_back(e.name);
        throw format_error(set.where() + ": tensor '" + t.name + "' would be the entry '" + parsed->entry + "' of " +
                           std::string(name(parsed->optimizer)) + ", for which there is no rule" +
                           nearest_names(parsed->entry, known, 3) + ": take it out of the file, or rename it");
      }
      auto [it, first] = of_.try_emplace(std::move(parsed->parameter), Entries{.optimizer = parsed->optimizer});
      if (it->second.optimizer != parsed->optimizer)
        throw format_error(set.where() + ": parameter '" + it->first + "' has state of " +
                           std::string(name(it->second.optimizer)) + " and of " + std::string(name(parsed->optimizer)) +
                           ": one optimizer trains a parameter; save each with the parameters that are its own");
      it->second.tensors.emplace(std::move(parsed->entry), &t);
      if (std::ranges::find(optimizers_, parsed->optimizer) == optimizers_.end())
        optimizers_.push_back(parsed->optimizer);
    }
    std::ranges::sort(optimizers_);
  }

  /// The state of a parameter, or nullptr.
  const Entries* find(const std::string& parameter) const {
    const auto it = of_.find(parameter);
    return it == of_.end() ? nullptr : &it->second;
  }
  /// By parameter, in no order.
  const std::unordered_map<std::string, Entries>& all() const { return of_; }
  /// Those that any parameter has state of.
  const std::vector<Optimizer>& optimizers() const { return optimizers_; }

 private:
  std::unordered_map<std::string, Entries> of_;
  std::vector<Optimizer> optimizers_;
};

}  // namespace modelgrow::inline v0
