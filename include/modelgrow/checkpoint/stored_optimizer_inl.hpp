// SPDX-License-Identifier: MIT
// The definitions of stored_optimizer.hpp.
#pragma once
#include <algorithm>
#include <unordered_map>

#include <modelgrow/checkpoint/stored_optimizer.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Equal but for one of the last two axes, which is missing or of size 1.
inline bool is_factor_of(const Shape& entry, const Shape& parameter) {
  for (int axis = std::max(0, parameter.rank() - 2); axis < parameter.rank(); ++axis) {
    Shape one = parameter, without;
    one[axis] = 1;
    for (int a = 0; a < parameter.rank(); ++a)
      if (a != axis) without.push_back(parameter[a]);
    if (entry == one || entry == without) return true;
  }
  return false;
}

/// Deals the parameters of a model to the groups, whose own are in the order of the model.
class ParameterDealer {
 public:
  explicit ParameterDealer(const std::vector<StoredOptimizer*>& optimizers) {
    for (auto* optimizer : optimizers)
      for (std::size_t g = 0; g < optimizer->groups.size(); ++g) {
        queues_.push_back({.optimizer = optimizer, .group = g});
        held_ += optimizer->groups[g].parameters.size();
        if (sources_.find(optimizer->source) == sources_.npos)
          sources_ += (sources_.empty() ? "" : ", ") + optimizer->source;
      }
  }

  void deal(const std::vector<NamedShape>& order) {
    if (held_ != order.size())
      fail("has " + std::to_string(held_) + " parameters, and " + std::to_string(order.size()) +
           " of the model are trained" +
           (held_ < order.size() ? ": some of them were frozen, or another optimizer trains them; name these, or all "
                                 : ": parameters of two optimizers overlap, or of another model; name them, or all ") +
           "optimizers");
    for (const auto& parameter : order) give(parameter);
  }

 private:
  struct Queue {
    StoredOptimizer* optimizer;
    std::size_t group, next = 0;
    StoredOptimizer::Parameter* head() const {
      const auto& places = optimizer->groups[group].parameters;
      return next < places.size() ? &optimizer->parameters[places[next]] : nullptr;
    }
    std::string text() const { return optimizer->source + ", group " + std::to_string(group); }
  };

  [[noreturn]] void fail(const std::string& what) const {
    throw format_error(sources_ + ": the state " + what + "; a state with names (param_names) needs no order");
  }

  static const StoredOptimizer::Entry* misfit(const Queue& queue, const Shape& shape) {
    for (const auto& entry : queue.head()->entries)
      if (!fits_parameter(entry, queue.optimizer->is.kind, shape)) return &entry;
    return nullptr;
  }

  void give(const NamedShape& parameter) {
    Queue* taker = nullptr;
    std::string misfits;
    for (auto& queue : queues_) {
      if (!queue.head()) continue;
      if (const auto* entry = misfit(queue, parameter.shape)) {
        misfits +=
            ", the next of " + queue.text() + " has '" + entry->name + "' of shape " + to_string(entry->tensor.shape());
        continue;
      }
      if (taker)
        fail("does not tell to which group '" + parameter.name + "' of shape " + to_string(parameter.shape) +
             " belongs: " + taker->text() + " or " + queue.text() + "; give the order of each group");
      taker = &queue;
    }
    if (!taker)
      fail("has no place for '" + parameter.name + "' of shape " + to_string(parameter.shape) + misfits +
           ": the order is another, or the weights are; give the order that the trainer had, without what was frozen");
    taker->head()->name = parameter.name;
    ++taker->next;
  }

  std::vector<Queue> queues_;
  std::string sources_;
  std::size_t held_ = 0;
};

}  // namespace detail

MODELGROW_INLINE const StoredOptimizer::Entry* StoredOptimizer::Parameter::find(std::string_view entry) const {
  const auto found = std::ranges::find(entries, entry, &Entry::name);
  return found == entries.end() ? nullptr : &*found;
}

MODELGROW_INLINE bool StoredOptimizer::has_names() const {
  return std::ranges::none_of(parameters, [](const Parameter& p) { return p.name.empty(); });
}

MODELGROW_INLINE bool StoredOptimizer::has_packed() const {
  return std::ranges::any_of(parameters, [](const Parameter& p) {
    return std::ranges::any_of(p.entries, [](const Entry& e) { return e.packed != nullptr; });
  });
}

MODELGROW_INLINE std::vector<std::string> StoredOptimizer::without_state() const {
  std::vector<std::string> names;
  for (const auto& p : parameters)
    if (p.entries.empty()) names.push_back(p.name);
  return names;
}

MODELGROW_INLINE void StoredOptimizer::tell(std::string_view word) {
  if (!word.empty()) {
    const auto* kind = optimizer_class(word);
    if (!kind)
      throw format_error(source + ": '" + std::string(word) +
                         "' is no optimizer whose state can be moved; leave the name out, or give another");
    is = {.kind = kind, .title = std::string(kind->title)};
    return;
  }
  std::vector<const PickleDict*> options;
  std::set<std::string> entries;
  for (const auto& g : groups) options.push_back(&g.options);
  for (const auto& p : parameters)
    for (const auto& e : p.entries) entries.insert(e.name);
  is = tell_optimizer(options, entries);
}

MODELGROW_INLINE std::vector<JoinedTensor> StoredOptimizer::tensors() const {
  if (!is.kind)
    throw format_error(source + ": it is the state of " + is.title +
                       ", for which there is no rule; name its optimizer, or leave the state behind");
  std::vector<JoinedTensor> all;
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& p = parameters[i];
    if (p.name.empty())
      throw format_error(source + ": parameter " + std::to_string(i) +
                         " has no name; give the order of the parameters of the model, without what was frozen");
    for (const auto& e : p.entries) {
      const auto* known = is.kind->find(e.name);
      if (!known)
        throw format_error(source + ": parameter '" + p.name + "' has an entry '" + e.name + "', which " + is.title +
                           " has not; name the optimizer that wrote it, or leave the state behind");
      all.push_back(e.tensor.renamed(std::string(is.kind->word).append(".").append(known->here).append(".") + p.name));
    }
  }
  return all;
}

MODELGROW_INLINE bool fits_parameter(const StoredOptimizer::Entry& entry, const OptimizerClass* kind,
                                     const Shape& parameter) {
  const auto& shape = entry.tensor.shape();
  const auto* known = kind ? kind->find(entry.name) : nullptr;
  switch (known ? known->shape : shape.rank() == 0 ? EntryShape::number : EntryShape::whole) {
    case EntryShape::whole:
      return shape == parameter;
    case EntryShape::flat:
      return shape == Shape{numel(parameter)};
    case EntryShape::factored:
      return detail::is_factor_of(shape, parameter);
    case EntryShape::number:
      return numel(shape) == 1;
  }
  return false;
}

MODELGROW_INLINE void name_parameters(const std::vector<StoredOptimizer*>& optimizers,
                                      const std::vector<NamedShape>& order) {
  detail::ParameterDealer(optimizers).deal(order);
}

MODELGROW_INLINE void check_parameters(const StoredOptimizer& optimizer, const std::vector<NamedShape>& trained) {
  const auto fail = [&](const std::string& what) { throw format_error(optimizer.source + ": " + what); };
  const Names model(trained, "the trained parameters");
  std::set<std::string_view> held;
  for (const auto& p : optimizer.parameters) {
    const auto* parameter = model.find(p.name);
    if (!parameter) {
      std::vector<std::string_view> names;
      for (const auto& t : trained) names.push_back(t.name);
      fail("it has a parameter '" + p.name + "', which the model does not train" + nearest_names(p.name, names) +
           ": give the state and the weights of one save");
    }
    held.insert(p.name);
    for (const auto& e : p.entries)
      if (!fits_parameter(e, optimizer.is.kind, parameter->shape))
        fail("entry '" + e.name + "' of parameter '" + p.name + "' has shape " + to_string(e.tensor.shape()) +
             ", the parameter " + to_string(parameter->shape) + ": give the state and the weights of one save");
  }
  for (const auto& t : trained)
    if (!held.contains(t.name))
      fail("it does not have the parameter '" + t.name +
           "'; if it was frozen, leave it out of the trained ones, else give the state of all");
}

}  // namespace modelgrow::inline v0
