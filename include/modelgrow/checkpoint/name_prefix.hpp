// SPDX-License-Identifier: MIT
// What wrappers put before every name of a checkpoint: data-parallel and compiled modules, an outer diffusion model.
// Everybody sees the names without it, and what is written carries it again.
#pragma once
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include <modelgrow/checkpoint/optimizer_names.hpp>

namespace modelgrow::inline v0 {

/// The prefix that all names of a file share, such as "module._orig_mod."; most often none. In optimizer state it
/// stands behind the kind ("adamw.m.module.blocks.0.."), and names of another form have none.
class NamePrefix {
 public:
  NamePrefix() = default;
  explicit NamePrefix(const std::vector<std::string_view>& names) {
    std::vector<std::string_view> rests;
    state_ = std::any_of(names.begin(), names.end(), [](auto n) { return kind_of(n) > 0; });
    for (auto n : names)
      if (const auto kind = kind_of(n); kind > 0 || !state_) rests.push_back(n.substr(kind));
    for (bool found = !rests.empty(); found;) {
      found = false;
      for (const std::string_view known : {"module.", "_orig_mod.", "model.diffusion_model."}) {
        if (!std::all_of(rests.begin(), rests.end(),
                         [&](auto n) { return n.starts_with(known) && n.size() > known.size(); }))
          continue;
        for (auto& n : rests) n.remove_prefix(known.size());
        text_ += known;
        found = true;
      }
    }
  }

  const std::string& text() const { return text_; }
  bool empty() const { return text_.empty(); }
  /// A name of the file as everybody sees it; a name without the prefix as it is.
  std::string without(std::string_view name) const {
    const auto kind = state_ ? kind_of(name) : 0;
    if (text_.empty() || !name.substr(kind).starts_with(text_)) return std::string(name);
    return std::string(name.substr(0, kind)) + std::string(name.substr(kind + text_.size()));
  }
  /// The name as the file has it.
  std::string with(std::string_view name) const {
    const auto kind = state_ ? kind_of(name) : 0;
    if (state_ && kind == 0) return std::string(name);
    return std::string(name.substr(0, kind)) + text_ + std::string(name.substr(kind));
  }

 private:
  /// Length of "adamw.m.", or 0.
  static std::size_t kind_of(std::string_view name) { return detail::state_prefix(name); }
  std::string text_;
  bool state_ = false;  // the file holds optimizer state
};

}  // namespace modelgrow::inline v0
