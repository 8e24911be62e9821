// SPDX-License-Identifier: MIT
// The definitions of back_to_torch.hpp.
#pragma once
#include <algorithm>
#include <map>

#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/checkpoint/optimizer_names.hpp>
#include <modelgrow/checkpoint/torch_optimizer.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/grow/back_to_torch.hpp>
#include <modelgrow/grow/optimizers/rule.hpp>
#include <modelgrow/grow/parts.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// The one value of a tensor in a file, also of a counter.
inline double number_in(const JoinedTensor& t) {
  const auto bytes = t.piece();
  if (numel(t.shape()) != 1)
    throw format_error("'" + t.name() + "' has shape " + to_string(t.shape()) + "; one number was expected");
  if (t.dtype() == DType::i64) {
    std::int64_t n = 0;
    std::memcpy(&n, bytes.data(), sizeof n);
    return double(n);
  }
  double x = 0;
  convert(t.dtype(), bytes.data(), DType::f64, reinterpret_cast<std::byte*>(&x), 1);
  return x;
}

/// A counter as the run of torch has them: a tensor of float32, or a number of Python.
inline StoredOptimizer::Entry number_entry(const std::string& name, double value, const StoredOptimizer::Entry* like) {
  StoredOptimizer::Entry entry{.name = name, .tensor = JoinedTensor(name, value)};
  if (like && !like->number.is_none()) {
    entry.number = like->number.get<std::int64_t>() ? PickleValue(std::int64_t(value)) : PickleValue(value);
    return entry;
  }
  entry.tensor = {
      NamedShape{.name = name, .dtype = DType::f32, .shape = like ? like->tensor.shape() : Shape{}},
      [x = float(value)](std::uint64_t, std::span<std::byte> out) { std::memcpy(out.data(), &x, sizeof x); }};
  return entry;
}

/// What a run of this library has of each parameter of an optimizer of torch.
class BackToTorch {
 public:
  BackToTorch(const Checkpoint& run, const StoredOptimizer& like,
              const std::function<std::string(const std::string&)>& rename)
      : state_(run.optimizer()), like_(like) {
    for (const auto& p : like.parameters) parameters_.push_back(p.name);
    for (const auto& file : state_.files()) {
      const auto shared = std::make_shared<const MappedTensors>(file);
      for (const auto& t : file.tensors()) add(shared, t, rename);
    }
  }

  /// The entries of a parameter, in the order of the package; those of the run of torch where there are none.
  std::vector<StoredOptimizer::Entry> entries(const StoredOptimizer::Parameter& like) const {
    const auto found = entries_.find(like.name);
    if (found == entries_.end()) return like.entries;
    std::vector<StoredOptimizer::Entry> all;
    for (const auto& known : like_.is.kind->entries) {
      const auto it = found->second.find(known.here);
      if (it == found->second.end()) continue;
      const auto name = std::string(known.name);
      const auto* theirs = like.find(name);
      auto entry = known.shape == EntryShape::number ? number_entry(name, number_in(it->second), theirs)
                                                     : StoredOptimizer::Entry{.name = name, .tensor = it->second};
      if (theirs && entry.tensor.shape() != theirs->tensor.shape())
        fail("has '" + it->second.name() + "' of shape " + to_string(it->second.shape()) + ", and " + like_.source +
             " has " + to_string(theirs->tensor.shape()) + "; grow that run by the same plan first");
      all.push_back(std::move(entry));
    }
    return all;
  }

 private:
  void add(const std::shared_ptr<const MappedTensors>& file, const TensorView& t,
           const std::function<std::string(const std::string&)>& rename) {
    const auto name = parse_state_name(t.name);
    if (!name) fail("has a tensor '" + t.name + "', which is no state of an optimizer");
    if (modelgrow::name(name->optimizer) != like_.is.kind->word)
      fail("has state of '" + std::string(modelgrow::name(name->optimizer)) + "', and " + like_.source + " that of " +
           like_.is.title);
    if (name->entry == "anneal" || name->entry == master_entry.name) return;  // torch has no such thing
    if (is_factor(name->entry)) return check_factors(t, name->parameter);
    if (!is_known(name->entry)) fail("has a tensor '" + t.name + "', which " + like_.is.title + " has not");
    const auto parameter = rename ? rename(name->parameter) : name->parameter;
    if (std::ranges::find(parameters_, parameter) == parameters_.end())
      fail("has state of a parameter '" + parameter + "', which " + like_.source + " does not train" +
           nearest_names(parameter, std::vector<std::string_view>(parameters_.begin(), parameters_.end())) +
           "; grow that run by the same plan first, or give the one that this run came from");
    entries_[parameter].emplace(name->entry, JoinedTensor(t.name, file, t));
  }
  bool is_known(const std::string& entry) const {
    return std::ranges::any_of(like_.is.kind->entries, [&](const auto& e) { return e.here == entry; });
  }
  [[noreturn]] void fail(const std::string& what) const { throw format_error(state_.path().string() + ": it " + what); }
  void check_factors(const TensorView& factors, const std::string& parameter) const {
    for (const double x : values_of<double>(factors))
      if (x != 1)
        fail("has other rates for some rows or columns of '" + parameter + "' ('" + factors.name +
             "'), which torch has for whole groups only; train on here until they are annealed, or grow the run of "
             "torch, whose groups param_groups.json tells");
  }
  Checkpoint state_;
  const StoredOptimizer& like_;
  std::vector<std::string> parameters_;
  std::map<std::string, std::map<std::string, JoinedTensor, std::less<>>, std::less<>> entries_;
};

}  // namespace detail

MODELGROW_INLINE TorchState torch_run_state(const Checkpoint& run, const StateOptions& options) {
  const auto fail = [&](const std::string& what) { throw format_error(run.path().string() + ": " + what); };
  std::optional<TorchState> found;
  if (!is_one_store(run))
    for (const auto& part : parts_of(run, options)) {
      if (!part.torch) continue;
      if (found)
        fail("it has state of several optimizers, '" + found->file + "' and '" + part.name +
             "'; leave all but one behind (StateOptions, --leave-behind)");
      found = TorchState{.file = part.name, .state = *part.torch};
    }
  if (!found)
    fail(
        "it has no file with the state of an optimizer of torch (optimizer.bin, optimizer.pt), whose groups and "
        "options are needed; give the folder that the trainer saved");
  if (found->state.has_packed())
    fail("'" + found->file + "' has moments in few bits; give a run of the same optimizer with moments in float");
  return std::move(*found);
}

MODELGROW_INLINE StoredOptimizer back_to_torch(const Checkpoint& run, const StoredOptimizer& like,
                                               const std::function<std::string(const std::string&)>& rename) {
  const detail::BackToTorch own(run, like, rename);
  StoredOptimizer state = like;
  for (auto& p : state.parameters) p.entries = own.entries(p);
  return state;
}

}  // namespace modelgrow::inline v0
