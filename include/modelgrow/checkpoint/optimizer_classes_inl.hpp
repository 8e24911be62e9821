// SPDX-License-Identifier: MIT
// The definitions of optimizer_classes.hpp. Options and entries were read in torch 2.15.0, transformers 5.24,
// lion-pytorch, came-pytorch, schedulefree 1.4.1, prodigyopt 1.1.2 and bitsandbytes 0.50.2.
#pragma once
#include <algorithm>

#include <modelgrow/checkpoint/optimizer_classes.hpp>
#include <modelgrow/checkpoint/optimizer_names.hpp>
#include <modelgrow/checkpoint/packed_entry.hpp>
#include <modelgrow/checkpoint/pickle_access.hpp>
#include <modelgrow/core/linkage.hpp>

namespace modelgrow::inline v0 {

namespace detail {

inline constexpr auto number_shape = EntryShape::number, mean_shape = EntryShape::factored,
                      row_shape = EntryShape::flat;
// In the order in which the packages write them.
inline constexpr OptimizerEntry entries_adamw[] = {
    {"step", "step", number_shape}, {"exp_avg", "m"}, {"exp_avg_sq", "v"}, {"max_exp_avg_sq", "max_exp_avg_sq"}};
inline constexpr OptimizerEntry entries_adam[] = {{"step", "step", number_shape},
                                                  {"exp_avg", "exp_avg"},
                                                  {"exp_avg_sq", "exp_avg_sq"},
                                                  {"max_exp_avg_sq", "max_exp_avg_sq"}};
inline constexpr OptimizerEntry entries_nadam[] = {{"step", "step", number_shape},
                                                   {"mu_product", "mu_product", number_shape},
                                                   {"exp_avg", "exp_avg"},
                                                   {"exp_avg_sq", "exp_avg_sq"}};
inline constexpr OptimizerEntry entries_radam[] = {
    {"step", "step", number_shape}, {"exp_avg", "exp_avg"}, {"exp_avg_sq", "exp_avg_sq"}};
inline constexpr OptimizerEntry entries_adamax[] = {
    {"step", "step", number_shape}, {"exp_avg", "exp_avg"}, {"exp_inf", "exp_inf"}};
inline constexpr OptimizerEntry entries_rmsprop[] = {{"step", "step", number_shape},
                                                     {"square_avg", "square_avg"},
                                                     {"momentum_buffer", "momentum_buffer"},
                                                     {"grad_avg", "grad_avg"}};
inline constexpr OptimizerEntry entries_adagrad[] = {{"step", "step", number_shape}, {"sum", "sum"}};
inline constexpr OptimizerEntry entries_adadelta[] = {
    {"step", "step", number_shape}, {"square_avg", "square_avg"}, {"acc_delta", "acc_delta"}};
inline constexpr OptimizerEntry entries_lion[] = {{"exp_avg", "exp_avg"}};
inline constexpr OptimizerEntry entries_momentum[] = {{"momentum_buffer", "momentum_buffer"}};
inline constexpr OptimizerEntry entries_adafactor[] = {{"step", "step", number_shape},
                                                       {"row_var", "row_var", mean_shape},
                                                       {"col_var", "col_var", mean_shape},
                                                       {"variance", "variance"}};
inline constexpr OptimizerEntry entries_came[] = {{"step", "step", number_shape},
                                                  {"exp_avg", "exp_avg"},
                                                  {"exp_avg_sq", "exp_avg_sq"},
                                                  {"exp_avg_sq_row", "exp_avg_sq_row", mean_shape},
                                                  {"exp_avg_sq_col", "exp_avg_sq_col", mean_shape},
                                                  {"exp_avg_res_row", "exp_avg_res_row", mean_shape},
                                                  {"exp_avg_res_col", "exp_avg_res_col", mean_shape},
                                                  {"RMS", "RMS", number_shape}};
inline constexpr OptimizerEntry entries_schedule_free[] = {{"z", "z"}, {"exp_avg_sq", "exp_avg_sq"}};
inline constexpr OptimizerEntry entries_prodigy[] = {{"step", "step", number_shape},
                                                     {"s", "s", row_shape},
                                                     {"p0", "p0", row_shape},
                                                     {"exp_avg", "exp_avg"},
                                                     {"exp_avg_sq", "exp_avg_sq"}};

/// How a kind is told: options that every group has and has not, a value of one of them, and an entry that nobody else
/// has, where options alone do not tell.
struct OptimizerMarks {
  OptimizerClass kind;
  std::array<std::string_view, 3> with = {};
  std::array<std::string_view, 4> without = {};
  bool (*also)(const PickleDict& group) = nullptr;
  std::string_view entry = {};
};

template <class T>
bool option_is(const PickleDict& group, std::string_view key, const T& wanted) {
  const auto* value = group.find(key);
  const auto* found = value ? value->get<T>() : nullptr;
  return found && *found == wanted;
}
inline bool decays_apart(const PickleDict& group) { return option_is(group, "decoupled_weight_decay", true); }
inline bool decays_in_gradient(const PickleDict& group) { return option_is(group, "decoupled_weight_decay", false); }
inline bool decays_not(const PickleDict& group) {
  return option_is(group, "weight_decay", 0.0) || option_is(group, "weight_decay", std::int64_t{0});
}
inline bool rate_matches_adamw(const PickleDict& group) {
  return option_is<std::string>(group, "adjust_lr_fn", "match_rms_adamw");
}
inline bool rate_is_original(const PickleDict& group) {
  const auto* value = group.find("adjust_lr_fn");
  return value && (value->is_none() || option_is<std::string>(group, "adjust_lr_fn", "original"));
}
inline bool has_two_betas(const PickleDict& group) {
  const auto* betas = sequence(group.find("betas"));
  return betas && betas->size() == 2;
}
inline bool takes_every_element(const PickleDict& group) { return option_is(group, "slice_p", std::int64_t{1}); }

inline constexpr OptimizerMarks optimizer_marks[] = {
    {.kind = {"adamw", "AdamW", entries_adamw}, .with = {"betas", "amsgrad"}, .also = decays_apart},
    {.kind = {"adam", "Adam", entries_adam}, .with = {"betas", "amsgrad"}, .also = decays_in_gradient},
    {.kind = {"adamw", "Adam or AdamW without weight decay", entries_adamw},
     .with = {"betas", "amsgrad"},
     .without = {"decoupled_weight_decay"},
     .also = decays_not},
    {.kind = {"adamw", "AdamW of transformers", entries_adamw}, .with = {"betas", "correct_bias"}},
    {.kind = {"adamw", "Adam or AdamW of bitsandbytes, which are one", entries_adamw},
     .with = {"betas", "t_alpha", "t_beta3"},
     .without = {"amsgrad"},
     .also = has_two_betas},
    {.kind = {"nadam", "NAdam", entries_nadam}, .with = {"betas", "momentum_decay"}},
    {.kind = {"radam", "RAdam", entries_radam},
     .with = {"betas", "decoupled_weight_decay"},
     .without = {"amsgrad", "momentum_decay"},
     .entry = "exp_avg_sq"},
    {.kind = {"adamax", "Adamax", entries_adamax}, .with = {"betas", "eps"}, .entry = "exp_inf"},
    {.kind = {"rmsprop", "RMSprop", entries_rmsprop}, .with = {"alpha", "centered", "eps"}},
    {.kind = {"adagrad", "Adagrad", entries_adagrad}, .with = {"lr_decay", "initial_accumulator_value"}},
    {.kind = {"adadelta", "Adadelta", entries_adadelta}, .with = {"rho", "eps"}},
    {.kind = {"lion", "Lion", entries_lion}, .with = {"betas", "weight_decay"}, .without = {"eps"}, .entry = "exp_avg"},
    {.kind = {"sgd", "SGD", entries_momentum}, .with = {"momentum", "dampening", "nesterov"}},
    {.kind = {"adafactor", "Adafactor", entries_adafactor}, .with = {"beta2_decay", "d"}},
    {.kind = {"came", "CAME", entries_came}, .with = {"clip_threshold", "betas"}, .without = {"scale_parameter"}},
    {.kind = {"muon", "Muon", entries_momentum}, .with = {"ns_coefficients", "ns_steps"}, .also = rate_is_original},
    {.kind = {"muon_rms", "Muon with the rates of AdamW", entries_momentum},
     .with = {"ns_coefficients", "ns_steps"},
     .also = rate_matches_adamw},
    {.kind = {"schedule_free", "AdamWScheduleFree", entries_schedule_free},
     .with = {"betas", "weight_lr_power", "train_mode"}},
    {.kind = {"prodigy", "Prodigy", entries_prodigy}, .with = {"d0", "growth_rate"}, .also = takes_every_element},
    // known, and not moved
    {.kind = {"", "Adafactor of transformers", {}}, .with = {"scale_parameter", "relative_step"}},
    {.kind = {"", "Prodigy that looks at some elements only (slice_p)", {}}, .with = {"d0", "growth_rate", "slice_p"}},
    {.kind = {"", "an optimizer of bitsandbytes other than its Adam and AdamW", {}}, .entry = "state1"},
    {.kind = {"", "LAMB or LARS of bitsandbytes", {}}, .entry = "unorm_vec"},
    {.kind = {"", "an optimizer of bitsandbytes in a distributed checkpoint", {}}, .entry = wrapped_key},
    {.kind = {"", "the package muon-optimizer, which numbers parameters by size", {}}, .with = {"use_muon"}},
};

static_assert(std::ranges::all_of(optimizer_marks,
                                  [](const OptimizerMarks& marks) {
                                    constexpr auto words = words_of(Optimizer{});
                                    return marks.kind.word.empty() ||
                                           std::ranges::find(words, marks.kind.word) != words.end();
                                  }),
              "an optimizer whose state can be moved has a word in optimizer_names.hpp");

inline bool fits(const OptimizerMarks& marks, const std::vector<const PickleDict*>& groups,
                 const std::set<std::string>& entries) {
  const bool knows_all = std::ranges::all_of(entries, [&](const auto& e) { return marks.kind.find(e) != nullptr; });
  if (!marks.kind.entries.empty() && !knows_all) return false;
  if (!marks.entry.empty() && !entries.contains(std::string(marks.entry))) return false;
  return std::ranges::all_of(groups, [&](const PickleDict* group) {
    return std::ranges::all_of(marks.with, [&](auto key) { return key.empty() || group->find(key); }) &&
           std::ranges::none_of(marks.without, [&](auto key) { return !key.empty() && group->find(key); }) &&
           (!marks.also || marks.also(*group));
  });
}

inline std::string quoted(const std::set<std::string>& names) {
  std::string text;
  for (const auto& name : names) text.append(text.empty() ? "'" : ", '").append(name).append("'");
  return text;
}

}  // namespace detail

MODELGROW_INLINE const OptimizerEntry* OptimizerClass::find(std::string_view entry) const {
  const auto found = std::ranges::find(entries, entry, &OptimizerEntry::name);
  return found == entries.end() ? nullptr : &*found;
}

MODELGROW_INLINE KnownOptimizer tell_optimizer(const std::vector<const PickleDict*>& groups,
                                               const std::set<std::string>& entries) {
  std::vector<const OptimizerClass*> found;
  for (const auto& marks : detail::optimizer_marks)
    if (detail::fits(marks, groups, entries)) found.push_back(&marks.kind);
  if (!found.empty() && found[0]->entries.empty()) return {.title = std::string(found[0]->title)};
  if (!found.empty() && (found.size() == 1 || found[1]->entries.empty()))
    return {.kind = found[0], .title = std::string(found[0]->title)};
  std::set<std::string> options;
  for (const auto* group : groups)
    for (const auto& item : group->items)
      if (const auto* key = item.key.get<std::string>()) options.insert(*key);
  std::string title = "an optimizer with the entries " + (entries.empty() ? "none" : detail::quoted(entries)) +
                      " and the options " + detail::quoted(options);
  if (options.contains("betas") && options.contains("amsgrad") && !options.contains("decoupled_weight_decay"))
    title = "Adam or AdamW, which old versions of torch and torchao write alike";
  for (const auto* kind : found) title.append(", which may be ").append(kind->title);
  return {.title = std::move(title)};
}

MODELGROW_INLINE const OptimizerClass* optimizer_class(std::string_view word) {
  for (const auto& marks : detail::optimizer_marks)
    if (!word.empty() && marks.kind.word == word) return &marks.kind;
  return nullptr;
}

}  // namespace modelgrow::inline v0
