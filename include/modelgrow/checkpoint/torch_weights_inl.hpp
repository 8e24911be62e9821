// SPDX-License-Identifier: MIT
// The definitions of torch_weights.hpp.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/torch_weights.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/core/names.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Follows keys down to the dictionary of tensors.
class TorchWeightsFinder {
 public:
  TorchWeightsFinder(std::string choice, const std::string& source) : choice_(std::move(choice)), source_(source) {}

  TorchWeights find(const PickleValue& root) {
    const PickleDict* dict = root.get<PickleDict>();
    if (!dict) fail("what was saved is " + root.kind() + "; expected a dictionary of tensors");
    for (std::string rest = choice_; !rest.empty();) {
      const auto slash = rest.find('/');
      dict = enter(*dict, rest.substr(0, slash));
      rest = slash == rest.npos ? std::string() : rest.substr(slash + 1);
    }
    for (std::string key; !(key = next(*dict)).empty();) dict = enter(*dict, key);
    take(*dict);
    return std::move(found_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) const { throw format_error(source_ + ": " + what); }

  const PickleDict* enter(const PickleDict& dict, const std::string& key) {
    const auto* value = dict.find(key);
    const auto* inner = value ? value->get<PickleDict>() : nullptr;
    if (!inner) {
      std::vector<std::string_view> keys;
      for (const auto& item : dict.items)
        if (const auto* text = item.key.get<std::string>()) keys.push_back(*text);
      fail("there is no dictionary '" + key + "' in it" +
           (value ? ", but " + value->kind() : nearest_names(key, keys)));
    }
    for (const auto& item : dict.items)
      if (const auto* text = item.key.get<std::string>(); text && *text != key) found_.others.push_back(*text);
    found_.at += (found_.at.empty() ? "" : "/") + key;
    return inner;
  }

  static bool has_tensors(const PickleDict& dict) {
    return std::ranges::any_of(dict.items, [](const PickleItem& item) {
      return item.key.get<std::string>() && (tensor_of(item.value) || local_tensor_of(item.value));
    });
  }
  /// Whether named tensors are in it, or in a dictionary below; the moments of an optimizer have numbers for names.
  static bool leads_to_tensors(const PickleDict& dict) {
    if (dict.find("state") && dict.find("param_groups")) return false;
    return has_tensors(dict) || !keys_to_tensors(dict).empty();
  }
  static std::vector<std::string> keys_to_tensors(const PickleDict& dict) {
    std::vector<std::string> keys;
    for (const auto& item : dict.items) {
      const auto* key = item.key.get<std::string>();
      const auto* inner = item.value.get<PickleDict>();
      if (key && !key->empty() && inner && leads_to_tensors(*inner)) keys.push_back(*key);
    }
    return keys;
  }

  /// The key to go on with; empty where this dictionary is the one.
  std::string next(const PickleDict& dict) const {
    auto keys = keys_to_tensors(dict);
    std::vector<std::string> known;
    for (const char* name : {"state_dict", "model", "module", "ema", "model_state_dict"})
      if (std::ranges::find(keys, name) != keys.end()) known.emplace_back(name);
    if (known.empty() && has_tensors(dict)) return {};
    if (!known.empty()) keys = std::move(known);
    if (keys.size() == 1) return keys[0];
    std::string choices, all;
    for (std::size_t i = 0; i < keys.size() && i < 8; ++i)
      choices += (choices.empty() ? "'" : ", '") + found_.at + (found_.at.empty() ? "" : "/") + keys[i] + "'";
    if (keys.size() > 8) choices += " and " + std::to_string(keys.size() - 8) + " more";
    for (const auto& item : dict.items)
      if (const auto* key = item.key.get<std::string>(); key && all.size() < 200)
        all += (all.empty() ? "'" : ", '") + *key + "'";
    if (keys.empty())
      fail("it has no tensors under names" + (all.empty() ? std::string() : "; it has " + all) +
           "; give the file with the weights");
    fail("several of its dictionaries hold tensors, " + choices +
         "; name one (CheckpointOptions::state_dict, --state-dict)");
  }

  void take(const PickleDict& dict) {
    for (const auto& item : dict.items) {
      const auto* key = item.key.get<std::string>();
      if (!key) continue;
      if (auto tensor = tensor_of(item.value)) {
        found_.tensors.emplace_back(*key, std::move(*tensor));
        continue;
      }
      if (local_tensor_of(item.value))
        fail("tensor '" + *key +
             "' is the part of one rank (a DTensor); save it whole (torch.distributed.checkpoint.state_dict with "
             "full_state_dict)");
      const auto* object = item.value.get<PickleObject>();
      if (object && object->type.name == "_rebuild_meta_tensor_no_storage")
        fail("tensor '" + *key + "' is on the meta device and has no numbers; save it from a model with weights");
      found_.others.push_back(*key);
    }
  }

  std::string choice_;
  const std::string& source_;
  TorchWeights found_;
};

}  // namespace detail

MODELGROW_INLINE TorchWeights find_torch_weights(const PickleValue& root, const std::string& choice,
                                                 const std::string& source) try {
  return detail::TorchWeightsFinder(choice, source).find(root);
} catch (const format_error& e) {
  const std::string what = e.what();
  if (what.starts_with(source)) throw;
  throw format_error(source + ": " + what);  // of a tensor's arguments
}

MODELGROW_INLINE detail::OpenedTorchWeights detail::open_torch_weights(const std::filesystem::path& path,
                                                                       const std::string& choice) {
  const auto file = TorchFile::open(path);
  auto found = find_torch_weights(file.root(), choice, path.string());
  return {.file = file.tensors(found.tensors), .at = std::move(found.at), .beside = std::move(found.others)};
}

}  // namespace modelgrow::inline v0
