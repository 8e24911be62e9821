// SPDX-License-Identifier: MIT
// The definitions of dcp_optimizer.hpp.
#pragma once
#include <algorithm>
#include <map>
#include <optional>

#include <modelgrow/checkpoint/dcp_optimizer.hpp>
#include <modelgrow/checkpoint/pickle_access.hpp>
#include <modelgrow/checkpoint/pickle_text.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Where an item belongs: an entry of a parameter, an option of a group (by its number), or of a parameter.
struct PlaceInOptimizer {
  enum class Kind { entry, group_option, parameter_option, groups } kind;
  std::string at, owner, name;
};

/// Nothing for items that are no state.
inline std::optional<PlaceInOptimizer> place_in_optimizer(const DcpFolder::Item& item) {
  const auto& keys = item.keys;
  using Kind = PlaceInOptimizer::Kind;
  for (std::size_t i = 0; i < keys.size(); ++i) {
    const auto at = item.keys_before(i);
    const std::size_t behind = keys.size() - i - 1;
    const bool wrapped = behind == 3 && keys[i + 2] == wrapped_key;  // moments that nobody unwraps here
    if (keys[i] == "state" && (behind == 2 || wrapped))
      return PlaceInOptimizer{.kind = Kind::entry, .at = at, .owner = keys[i + 1], .name = keys[i + 2]};
    if (keys[i] == "param_groups" && behind == 2)
      return PlaceInOptimizer{.kind = Kind::group_option, .at = at, .owner = keys[i + 1], .name = keys[i + 2]};
    if (keys[i] == "param_groups" && behind == 0)
      return PlaceInOptimizer{.kind = Kind::groups, .at = at, .owner = {}, .name = {}};
    for (const auto& [begin, kind] :
         {std::pair<std::string_view, Kind>("state.", Kind::entry), {"param_groups.", Kind::parameter_option}}) {
      const auto last = keys[i].rfind('.');
      if (behind == 0 && keys[i].starts_with(begin) && last > begin.size())
        return PlaceInOptimizer{.kind = kind,
                                .at = at,
                                .owner = keys[i].substr(begin.size(), last - begin.size()),
                                .name = keys[i].substr(last + 1)};
    }
  }
  return {};
}

class DcpOptimizerReader {
 public:
  DcpOptimizerReader(const DcpFolder& folder, std::string at) : folder_(folder), at_(std::move(at)) {
    found_.source = folder.path().string() + (at_.empty() ? "" : " (" + at_ + ")");
  }

  StoredOptimizer read() {
    using Kind = PlaceInOptimizer::Kind;
    std::vector<std::pair<PlaceInOptimizer, const DcpFolder::Item*>> items;
    for (const auto& item : folder_.items())
      if (auto place = place_in_optimizer(item); place && place->at == at_) items.emplace_back(*place, &item);
    if (items.empty()) fail("there is no state of an optimizer");
    for (const auto& [place, item] : items) {
      if (place.name == "param_names") {  // which the writer makes of the names that it has
        found_.param_names = true;
        continue;
      }
      if (place.kind == Kind::groups) read_groups(folder_.value(*item));
      if (place.kind == Kind::group_option) options_[group_number(place.owner)].set(place.name, folder_.value(*item));
      if (place.kind != Kind::parameter_option) continue;
      if (!own_options_.contains(place.owner)) order_.push_back(place.owner);
      own_options_[place.owner].set(place.name, folder_.value(*item));
    }
    found_.ids = StoredOptimizer::Ids::names;
    make_groups();
    for (const auto& [place, item] : items)
      if (place.kind == Kind::entry) read_entry(place, *item);
    found_.tell();
    return std::move(found_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw format_error(found_.source + ": " + what); }

  std::size_t group_number(const std::string& text) const {
    if (text.empty() || text.size() > 4 || text.find_first_not_of("0123456789") != text.npos)
      fail("a group has the number '" + text + "'");
    return std::size_t(std::stoul(text));
  }

  void read_groups(const PickleValue& value) {
    const auto* groups = sequence(&value);
    if (!groups) fail("its groups are " + value.kind() + "; expected a list");
    for (const auto& group : *groups) {
      if (!group.get<PickleDict>()) fail("a group is " + group.kind() + "; expected a dictionary");
      found_.param_names |= group.get<PickleDict>()->find("param_names") != nullptr;
      auto& options = options_[options_.size()] = *group.get<PickleDict>();
      take_out(options, "param_names");
    }
  }

  static void take_out(PickleDict& options, std::string_view name) {
    std::erase_if(options.items, [&](const PickleItem& item) {
      const auto* key = item.key.get<std::string>();
      return key && *key == name;
    });
  }

  void make_groups() {
    for (auto& [number, options] : options_) {
      if (number != found_.groups.size()) fail("group " + std::to_string(found_.groups.size()) + " is missing");
      const auto* names = sequence(options.find("params"));
      if (!names) fail("group " + std::to_string(number) + " has no list 'params'");
      auto& group = found_.groups.emplace_back();
      for (const auto& name : *names) {
        if (!name.get<std::string>())
          fail("group " + std::to_string(number) + " has a parameter that is " + name.kind() +
               "; save it with torch.distributed.checkpoint.state_dict, which gives names");
        add(group, *name.get<std::string>());
      }
      group.options = options;
      take_out(group.options, "params");
    }
    std::map<std::string, std::size_t> group_of;  // by the text of all options
    for (const auto& name : order_) {
      const auto& options = own_options_[name];
      const auto [it, first] = group_of.emplace(text_of(options), found_.groups.size());
      if (first) found_.groups.push_back({.options = options});
      add(found_.groups[it->second], name);
    }
  }

  void add(StoredOptimizer::Group& group, const std::string& name) {
    if (!place_of_.emplace(name, found_.parameters.size()).second) fail("parameter '" + name + "' is in two groups");
    group.parameters.push_back(found_.parameters.size());
    found_.parameters.push_back({.name = name});
  }

  void read_entry(const PlaceInOptimizer& place, const DcpFolder::Item& item) {
    const auto it = place_of_.find(place.owner);
    if (it == place_of_.end())
      fail("there are entries of parameter '" + place.owner + "', which is in no group; save again");
    auto& entries = found_.parameters[it->second].entries;
    if (item.is_tensor) {
      entries.push_back({.name = place.name, .tensor = folder_.tensor(item)});
      return;
    }
    const auto value = folder_.value(item);
    const auto* whole = value.get<std::int64_t>();
    const auto* real = value.get<double>();
    if (whole || real)
      entries.push_back(
          {.name = place.name, .tensor = JoinedTensor(place.name, whole ? double(*whole) : *real), .number = value});
    else if (!value.is_none())
      fail("entry '" + place.name + "' of parameter '" + place.owner + "' is " + value.kind() +
           "; an optimizer that keeps such state cannot be moved: leave it behind");
  }

  const DcpFolder& folder_;
  std::string at_;
  StoredOptimizer found_;
  std::map<std::size_t, PickleDict> options_;
  std::map<std::string, PickleDict> own_options_;
  std::vector<std::string> order_;
  std::map<std::string, std::size_t> place_of_;
};

}  // namespace detail

MODELGROW_INLINE std::optional<std::string> optimizer_of(const DcpFolder::Item& item) {
  const auto place = detail::place_in_optimizer(item);
  return place ? std::optional(place->at) : std::nullopt;
}

MODELGROW_INLINE std::vector<std::string> dcp_optimizers(const DcpFolder& folder) {
  std::vector<std::string> found;
  for (const auto& item : folder.items())
    if (const auto at = optimizer_of(item))
      if (std::ranges::find(found, *at) == found.end()) found.push_back(*at);
  return found;
}

MODELGROW_INLINE StoredOptimizer dcp_optimizer(const DcpFolder& folder, const std::string& at) {
  return detail::DcpOptimizerReader(folder, at).read();
}

}  // namespace modelgrow::inline v0
