// SPDX-License-Identifier: MIT
// The definitions of torch_optimizer.hpp.
#pragma once
#include <map>

#include <modelgrow/checkpoint/pickle_access.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// A number of a state dictionary, or a name in its place, in words.
inline std::string parameter_key(const PickleValue& id) {
  if (const auto* text = id.get<std::string>()) return "'" + *text + "'";
  if (const auto* number = id.get<std::int64_t>()) return std::to_string(*number);
  return {};
}

class TorchOptimizerReader {
 public:
  TorchOptimizerReader(const TorchFile& file, std::string where) : file_(file), where_(std::move(where)) {
    found_.source = where_;
  }

  StoredOptimizer read(const PickleDict& dict) {
    const auto* groups = sequence(dict.find("param_groups"));
    const auto* state = dict.find("state") ? dict.find("state")->get<PickleDict>() : nullptr;
    if (!groups || !state) fail("an optimizer has a dictionary 'state' and a list 'param_groups'");
    for (std::size_t g = 0; g < groups->size(); ++g) read_group((*groups)[g], g);
    for (const auto& item : state->items) read_state(item);
    take_tensors();
    take_options();
    return std::move(found_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw format_error(where_ + ": " + what); }

  void read_group(const PickleValue& value, std::size_t g) {
    const std::string which = "group " + std::to_string(g);
    const auto* dict = value.get<PickleDict>();
    const auto* ids = dict ? sequence(dict->find("params")) : nullptr;
    if (!ids) fail(which + " is " + value.kind() + "; expected a dictionary with a list 'params'");
    const auto* names = sequence(dict->find("param_names"));
    found_.param_names |= names != nullptr;
    if (names && names->size() != ids->size())
      fail(which + " has " + std::to_string(ids->size()) + " parameters and " + std::to_string(names->size()) +
           " names; save it again");
    auto& group = found_.groups.emplace_back();
    group.options = *dict;
    std::erase_if(group.options.items, [](const PickleItem& item) {
      const auto* key = item.key.get<std::string>();
      return key && (*key == "params" || *key == "param_names");
    });
    for (std::size_t i = 0; i < ids->size(); ++i) {
      const std::string key = parameter_key((*ids)[i]);
      if (key.empty()) fail(which + " has a parameter that is " + (*ids)[i].kind() + "; expected a number or a name");
      if (!place_of_.emplace(key, found_.parameters.size()).second)
        fail("parameter " + key + " is twice in the groups; save it again");
      group.parameters.push_back(found_.parameters.size());
      auto& parameter = found_.parameters.emplace_back();
      const auto* id = (*ids)[i].get<std::string>();
      const auto* beside = names ? (*names)[i].get<std::string>() : nullptr;
      if (names && (!beside || beside->empty())) fail(which + " has a name that is " + (*names)[i].kind());
      const auto* name = id ? id : beside;
      if (!name) continue;
      if (id) found_.ids = StoredOptimizer::Ids::names;
      if (!names_.insert(*name).second) fail("two parameters have the name '" + *name + "'; save it again");
      parameter.name = *name;
    }
  }

  void read_state(const PickleItem& item) {
    const std::string key = parameter_key(item.key);
    const auto place = place_of_.find(key);
    if (place == place_of_.end())
      fail("there are entries of parameter " + (key.empty() ? item.key.kind() : key) +
           ", which is in no group; the file is altered, or two were mixed: save it again");
    const auto* entries = item.value.get<PickleDict>();
    if (!entries) fail("the entries of parameter " + key + " are " + item.value.kind() + "; expected a dictionary");
    for (const auto& entry : entries->items) {
      const auto* name = entry.key.get<std::string>();
      const auto* moments = name && *name == wrapped_key ? entry.value.get<PickleDict>() : nullptr;
      if (moments)
        read_wrapped(place->second, key, *moments);
      else
        read_entry(place->second, key, entry);
    }
  }

  /// Two moments of bitsandbytes have the names that Adam of torch gives them; whatever else is there keeps its own.
  void read_wrapped(std::size_t parameter, const std::string& key, const PickleDict& moments) {
    found_.wrapped = true;
    const auto tensor = [&](std::string_view name) {
      const auto* value = moments.find(name);
      return value ? tensor_of(*value) : std::nullopt;
    };
    const auto first = tensor(wrapped_moments[0].state), second = tensor(wrapped_moments[1].state);
    std::set<std::string_view> read;
    const auto place = [&](const WrappedMoment& moment, std::string_view name, Part part) {
      const std::string which = "'" + std::string(name) + "' of parameter " + key;
      const auto found = tensor(name);
      if (!found)
        fail(which + (moments.find(name) ? " is no tensor" : " is missing") + ", and '" + std::string(moment.state) +
             "' is in 8 bits; save it again");
      place_tensor({.parameter = parameter, .entry = std::string(moment.entry), .part = part, .which = which}, *found);
      read.insert(name);
    };
    for (const auto& moment : wrapped_moments) {
      if (!first || !second || first->shape != second->shape) break;
      const bool packed = !is_arithmetic_float(tensor(moment.state)->dtype) || moments.find(moment.scales);
      place(moment, moment.state, packed ? Part::codes : Part::whole);
      if (!packed) continue;
      place(moment, moment.scales, Part::scales);
      place(moment, moment.map, Part::map);
    }
    for (const auto& item : moments.items) {
      const auto* name = item.key.get<std::string>();
      if (!name || !read.contains(*name)) read_entry(parameter, key, item);
    }
  }

  void read_entry(std::size_t parameter, const std::string& key, const PickleItem& item) {
    const auto* name = item.key.get<std::string>();
    const std::string which = "entry " + (name ? "'" + *name + "'" : item.key.kind()) + " of parameter " + key;
    if (!name) fail(which + " has no name; an optimizer that keeps such state cannot be moved: leave it behind");
    if (item.value.is_none()) return;
    if (auto tensor = tensor_of(item.value)) return place_tensor({.parameter = parameter, .entry = *name}, *tensor);
    if (const auto object = object_of(item.value, which)) {
      const auto place = [&](Part part, const char* attribute, const PickleTensor& tensor) {
        place_tensor({.parameter = parameter,
                      .entry = *name,
                      .part = part,
                      .which = std::string("'") + attribute + "' of " + which,
                      .object = item.value},
                     tensor);
      };
      place(Part::codes, "codes", object->codes);
      place(Part::scales, "scale", object->scales);
      if (object->map) place(Part::map, "qmap", *object->map);
      return;
    }
    const auto* whole = item.value.get<std::int64_t>();
    const auto* real = item.value.get<double>();
    if (whole || real) {
      JoinedTensor number(*name, whole ? double(*whole) : *real);
      found_.parameters[parameter].entries.push_back(
          {.name = *name, .tensor = std::move(number), .number = item.value});
      return;
    }
    if (local_tensor_of(item.value))
      fail(which +
           " is the part of one rank (a DTensor); save it with torch.distributed.checkpoint, or whole "
           "(get_optimizer_state_dict with full_state_dict)");
    fail(which + " is " + item.value.kind() + "; an optimizer that keeps such state cannot be moved: leave it behind");
  }

  /// What a tensor is of an entry: all of it, or codes, which the other two parts follow.
  enum class Part { whole, codes, scales, map };
  struct Place {
    std::size_t parameter;
    std::string entry;
    Part part = Part::whole;
    std::string which = {};   // of a part, for errors
    PickleValue object = {};  // that it is a part of
  };

  std::optional<PackedObject> object_of(const PickleValue& value, const std::string& which) const try {
    return packed_object(value);
  } catch (const format_error& e) {
    fail(which + " is " + e.what() + ": the file is altered, or of another version of torchao");
  }

  void place_tensor(Place place, const PickleTensor& tensor) {
    tensors_.emplace_back(std::to_string(places_.size()), tensor);
    places_.push_back(std::move(place));
  }

  void take_tensors() {
    const auto file = std::make_shared<const MappedTensors>(file_.tensors(tensors_));
    const auto tensor = [&](std::size_t i) { return JoinedTensor(places_[i].entry, file, file->tensors()[i]); };
    for (std::size_t i = 0; i < places_.size(); ++i) {
      const Place& place = places_[i];
      auto& entries = found_.parameters[place.parameter].entries;
      if (place.part == Part::whole) entries.push_back({.name = place.entry, .tensor = tensor(i)});
      if (place.part != Part::codes) continue;
      const auto part = [&](std::size_t j) {
        return PackedParts::Part{.tensor = tensor(j), .where = where_ + ": " + places_[j].which};
      };
      PackedParts parts{.codes = part(i), .scales = part(i + 1), .map = {}};
      if (i + 2 < places_.size() && places_[i + 2].part == Part::map) parts.map = part(i + 2);
      const bool wrapped = place.object.is_none();
      auto packed = std::make_shared<const PackedTensor>(wrapped ? packed_moment(parts)
                                                                 : packed_tensor(*packed_object(place.object), parts));
      entries.push_back(
          {.name = place.entry, .tensor = packed->numbers(place.entry), .packed = packed, .object = place.object});
    }
  }

  /// Options that are tensors: rates that compiled optimizers read.
  void take_options() {
    for (auto& group : found_.groups)
      for (const auto& item : group.options.items) {
        const auto* key = item.key.get<std::string>();
        const auto* tensor = item.value.get<PickleTensor>();
        if (!key || !tensor) continue;
        const auto file = std::make_shared<const MappedTensors>(file_.tensors({{*key, *tensor}}));
        group.tensors.emplace(*key, JoinedTensor(*key, file, file->tensors()[0]));
      }
  }

  const TorchFile& file_;
  std::string where_;
  StoredOptimizer found_;
  std::map<std::string, std::size_t> place_of_;
  std::set<std::string> names_;
  std::vector<TorchFile::Named> tensors_;
  std::vector<Place> places_;
};

/// Optimizers of a tree, with the keys that lead to them.
inline void find_optimizers(const PickleDict& dict, const std::string& at, int depth,
                            std::vector<std::pair<std::string, const PickleDict*>>& found) {
  if (is_optimizer_state(dict)) {
    found.emplace_back(at, &dict);
    return;
  }
  for (const auto& item : dict.items) {
    const auto* inner = item.value.get<PickleDict>();
    const auto* key = item.key.get<std::string>();
    if (inner && key && depth > 0) find_optimizers(*inner, at + (at.empty() ? "" : "/") + *key, depth - 1, found);
  }
}

MODELGROW_INLINE bool is_optimizer_state(const PickleDict& dict) {
  const auto* state = dict.find("state");
  return state && state->get<PickleDict>() && sequence(dict.find("param_groups"));
}

MODELGROW_INLINE StoredOptimizer stored_optimizer(const TorchFile& file, const PickleDict& state,
                                                  const std::string& where) {
  auto found = TorchOptimizerReader(file, where).read(state);
  found.tell();
  return found;
}

}  // namespace detail

MODELGROW_INLINE StoredOptimizer read_torch_optimizer(const TorchFile& file, const TorchOptimizerOptions& options) {
  const std::string where = file.path().string();
  constexpr int deepest = 4;  // dictionaries on the way; trainers have one or two
  std::vector<std::pair<std::string, const PickleDict*>> found;
  if (const auto* root = file.root().get<PickleDict>()) detail::find_optimizers(*root, "", deepest, found);
  std::string places;
  for (const auto& [at, dict] : found) places.append(places.empty() ? "'" : ", '").append(at).append("'");
  if (!options.at.empty()) std::erase_if(found, [&](const auto& f) { return f.first != options.at; });
  if (found.empty())
    throw format_error(where + ": there is no state of an optimizer" +
                       (options.at.empty() ? std::string() : " at '" + options.at + "'") +
                       (places.empty() ? "; give the file that has 'state' and 'param_groups'" : ", but at " + places));
  if (found.size() > 1)
    throw format_error(where + ": it holds the states of several optimizers, at " + places + "; name one");
  auto optimizer = detail::stored_optimizer(file, *found[0].second, where);
  if (!options.optimizer.empty()) optimizer.tell(options.optimizer);
  if (!options.order.empty()) {
    if (!optimizer.has_names()) name_parameters({&optimizer}, options.order);
    check_parameters(optimizer, options.order);
  }
  return optimizer;
}

MODELGROW_INLINE StoredOptimizer read_torch_optimizer(const std::filesystem::path& path,
                                                      const TorchOptimizerOptions& options) {
  return read_torch_optimizer(TorchFile::open(path), options);
}

}  // namespace modelgrow::inline v0
