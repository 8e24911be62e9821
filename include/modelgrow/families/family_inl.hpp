// SPDX-License-Identifier: MIT
// How a family becomes a schema: sizes are solved, forms of tensors chosen, config.json compared.
#pragma once
#include <algorithm>
#include <optional>
#include <set>

#include <modelgrow/checkpoint/checkpoint.hpp>
#include <modelgrow/core/linkage.hpp>
#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/families/family.hpp>
#include <modelgrow/families/fit.hpp>
#include <modelgrow/families/legacy_grafts.hpp>

namespace modelgrow::inline v0 {

struct Family::Data {
  FamilyText text;
  std::vector<detail::Layout> layouts;
  std::vector<GraftRecord> grafts = {};
};

MODELGROW_INLINE Family Family::open(const std::filesystem::path& path) { return Family(detail::read_file(path)); }

MODELGROW_INLINE const std::string& Family::name() const { return data_->text.name; }

MODELGROW_INLINE const FamilyText& Family::text() const { return data_->text; }

MODELGROW_INLINE Schema Family::schema(const Checkpoint& in, Trust trust) const {
  return schema(in.names(), in.config(), in.path().string(), trust);
}

namespace detail {

/// "'a', 'b' and 12 more".
inline std::string some_of(const std::vector<std::string>& names, std::size_t most = 6) {
  std::string text;
  for (std::size_t i = 0; i < std::min(most, names.size()); ++i) text += (i ? ", '" : "'") + names[i] + "'";
  return text + (names.size() > most ? " and " + std::to_string(names.size() - most) + " more" : "");
}

MODELGROW_INLINE std::string complaint(const Fit& f) {
  std::string text;
  if (!f.missing.empty()) text += "; missing: " + some_of(f.missing);
  if (!f.unexplained.empty()) text += "; of no line of the family: " + some_of(f.unexplained);
  return text;
}

/// Builds the schema of one fit: solves the sizes, chooses the forms of tensors, applies the rules that hold.
class SchemaBuilder {
 public:
  /// Without a config.json the defaults of the class are nobody's choice, and no size is learned from them.
  SchemaBuilder(const FamilyText& text, const Fit& fit, const json& config, const std::string& where, bool configured)
      : configured_(configured),
        text_(text),
        fit_(fit),
        keys_(config, text.defaults, where + "/config.json"),
        where_(where),
        form_(fit.found.size(), -1) {
    for (const auto& s : text.spaces) spaces_.insert(s.name);
  }

  Schema build(Trust trust) {
    solve(trust);
    Schema s;
    s.family = text_.name;
    std::set<std::string> used;
    for (std::size_t i = 0; i < fit_.found.size(); ++i)
      if (form_[i] >= 0) s.parameters.push_back(parameter(i, used));
    for (const auto& space : text_.spaces) {
      if (!used.contains(space.name)) continue;
      SpaceSpec spec{.space = Space{.name = space.name, .size = sizes_.at(space.name)}, .rules = chosen(space)};
      if (!used.contains(spec.rules.tied_to)) spec.rules.tied_to.clear();
      s.spaces.push_back(std::move(spec));
    }
    for (std::size_t k = 0; k < text_.stacks.size(); ++k) {
      if (sizes_.at(text_.stacks[k].name) == 0) continue;
      StackSpec spec{.name = fit_.layout->stacks[k],
                     .count = sizes_.at(text_.stacks[k].name),
                     .rules = chosen(text_.stacks[k]),
                     .alias = text_.stacks[k].name};
      for (std::size_t j = 0; j < text_.stacks.size(); ++j)
        if (text_.stacks[j].name == spec.rules.paired_with) spec.rules.paired_with = fit_.layout->stacks[j];
      for (const auto& [pattern, t] : fit_.layout->tensor)
        if (text_.tensors[t].blocks == FamilyText::Blocks::only_first && pattern.starts_with(spec.name + ".{}."))
          spec.rules.first_only.push_back(pattern.substr(spec.name.size() + 4));
      s.stacks.push_back(std::move(spec));
    }
    for (const auto& [name, size] : sizes_)
      if (!used.contains(name) && (!fit_.blocks.contains(name) || size == 0)) s.constants.emplace(name, size);
    // A key that is missing or null stays so, unless the class has a default or what it takes for null no longer fits.
    for (ConfigRule rule : text_.config) {
      const bool has = keys_.find(rule.key);
      if (has) rule.otherwise = {};
      if (has || (keys_.null(rule.key) && !rule.otherwise.text().empty())) s.config.push_back(std::move(rule));
    }
    for (const auto& [key, space] : text_.epsilons)
      if (const auto* value = configured_ && used.contains(space) ? keys_.find(key) : nullptr)
        s.epsilons.push_back(Epsilon{.key = key, .space = space, .value = keys_.real(*value, key)});
    s.stock = text_.stock;
    s.remarks = text_.notes;
    for (std::size_t i = 0; i < fit_.found.size(); ++i)
      if (form_[i] < 0)
        s.remarks.push_back("'" + fit_.found[i].file->name + "' is not counted: its file is missing, and so its size");
    s.ports = text_.ports;
    s.text_input = text_input();
    s.positions = text_.positions;
    for (const auto& rule : text_.lists) add_list(s, rule);
    return s;
  }

 private:
  template <class Rules>
  Rules chosen(const FamilyText::Named<Rules>& n) const {
    for (const auto& w : n.when)
      if (has(w.condition, "config") ? keys_.holds(w.condition) : present(w.condition)) return w.rules;
    return n.rules;
  }
  bool present(const json& condition) const {
    const bool wanted = has(condition, "has");
    const auto pattern = condition[wanted ? "has" : "lacks"].get<std::string>();
    const bool there = std::any_of(fit_.found.begin(), fit_.found.end(),
                                   [&](const auto& f) { return text_.tensors[f.tensor].pattern == pattern; });
    return there == wanted;
  }
  void solve(Trust trust) {
    if (trust == Trust::nobody) check_lists(text_.config, keys_);
    sizes_ = text_.constants;
    for (const auto& [stack, n] : fit_.blocks) sizes_[stack] = n;
    while (shapes() || learn(text_.config, keys_, Learn::stated, sizes_)) continue;
    while ((configured_ && learn(text_.config, keys_, Learn::defaults, sizes_)) || shapes()) continue;
    for (std::size_t i = 0; i < fit_.found.size(); ++i) settle(i);
    if (trust == Trust::nobody) check(text_.config, keys_, sizes_);
  }
  const FamilyText::Tensor& line(std::size_t i) const { return text_.tensors[fit_.found[i].tensor]; }
  bool fits(const FamilyText::Form& form, const Shape& shape) const {
    if (std::ptrdiff_t(form.size()) != shape.rank()) return false;
    for (int a = 0; a < shape.rank(); ++a)
      if (const auto v = form[std::size_t(a)].extent.value(sizes_); v && *v != shape[a]) return false;
    return true;
  }
  /// The only form that is not contradicted yet, or nothing.
  const FamilyText::Form* only_form(std::size_t i) const {
    const FamilyText::Form* only = nullptr;
    if (!fit_.found[i].file->known) return only;
    for (const auto& f : line(i).forms)
      if (fits(f, fit_.found[i].file->shape)) {
        if (only) return nullptr;
        only = &f;
      }
    return only;
  }
  bool shapes() {
    bool learned = false;
    for (std::size_t i = 0; i < fit_.found.size(); ++i)
      if (const auto* f = only_form(i))
        for (int a = 0; a < fit_.found[i].file->shape.rank(); ++a)
          learned |= (*f)[std::size_t(a)].extent.solve(fit_.found[i].file->shape[a], sizes_);
    return learned;
  }
  /// Every size of a tensor is known and right. Throws format_error.
  void settle(std::size_t i) {
    const NamedShape& file = *fit_.found[i].file;
    const auto& forms = line(i).forms;
    if (!file.known) return settle_unknown(i);
    for (std::size_t f = 0; f < forms.size() && form_[i] < 0; ++f)
      if (fits(forms[f], file.shape)) form_[i] = std::ptrdiff_t(f);
    const auto bad = [&](const std::string& what) {
      throw format_error(where_ + ": tensor '" + file.name + "' has shape " + to_string(file.shape) + "; family '" +
                         text_.name + "' " + what);
    };
    if (form_[i] < 0) {
      const auto& form = forms[0];
      if (std::ptrdiff_t(form.size()) != file.shape.rank()) bad("expects " + std::to_string(form.size()) + " axes");
      for (int a = 0; a < file.shape.rank(); ++a)
        if (const auto v = form[std::size_t(a)].extent.value(sizes_); v && *v != file.shape[a])
          bad("says that axis " + std::to_string(a) + " is '" + form[std::size_t(a)].extent.text() + "', which is " +
              std::to_string(*v) + " by the other tensors and config.json" + keys_of(form[std::size_t(a)].extent));
    }
    for (const auto& axis : forms[std::size_t(form_[i])])
      for (const auto& name : axis.extent.names())
        if (!sizes_.contains(name)) bad("cannot tell the size of '" + name + "' in it: " + source_of(name));
  }
  /// A tensor whose file is missing has the first form of which every size is known. One that only lacks a size that
  /// never grows is left out. Throws format_error.
  void settle_unknown(std::size_t i) {
    const auto& forms = line(i).forms;
    for (std::size_t f = 0; f < forms.size() && form_[i] < 0; ++f)
      if (std::all_of(forms[f].begin(), forms[f].end(), [&](const auto& axis) { return axis.extent.value(sizes_); }))
        form_[i] = std::ptrdiff_t(f);
    if (form_[i] >= 0) return;
    for (const auto& axis : forms[0])
      for (const auto& name : axis.extent.names())
        if (spaces_.contains(name) && !sizes_.contains(name) && !of_data(name))
          throw format_error(where_ + ": the file of tensor '" + fit_.found[i].file->name +
                             "' is missing, and nothing else shows the size of '" + name + "'; fetch it");
  }
  /// Whether a space numbers channels of the data, which no other tensor than the one that holds them need show.
  bool of_data(const std::string& name) const {
    return std::any_of(text_.spaces.begin(), text_.spaces.end(),
                       [&](const auto& s) { return s.name == name && s.rules.copies == Copies::channels; });
  }
  /// Where config.json says something about a size, and what to do if that is wrong.
  std::string keys_of(const Expression& size) const {
    std::vector<std::string> keys;
    for (const auto& rule : text_.config)
      for (const auto& name : size.names()) {
        const auto& known = rule.value.names();
        if (configured_ && keys_.find(rule.key) && std::find(known.begin(), known.end(), name) != known.end() &&
            std::find(keys.begin(), keys.end(), rule.key) == keys.end())
          keys.push_back(rule.key);
      }
    return keys.empty() ? "" : "; if the file is right, set " + some_of(keys) + " in config.json to its sizes";
  }
  std::string source_of(const std::string& name) const {
    for (const auto& rule : text_.config)
      for (const auto& n : rule.value.names())
        if (n == name) return "shapes do not show it, and " + keys_.lack_of(rule.key);
    return "neither shapes nor config.json show it";
  }

  ParamSpec parameter(std::size_t i, std::set<std::string>& used) const {
    const auto& found = fit_.found[i];
    const auto& t = line(i);
    ParamSpec p{.name = found.file->name, .dtype = found.file->dtype, .info = ParamInfo{.axes = {}}};
    for (const auto& axis : t.forms[std::size_t(form_[i])]) {
      for (const auto& name : axis.extent.names())
        if (spaces_.contains(name)) used.insert(name);
      p.info.axes.push_back(
          Axis{.role = axis.role, .extent = axis.extent.extent(sizes_, spaces_, where_ + ": " + p.name)});
    }
    p.info.init = closes_branch(t.purpose) || p.info.axes.size() < 2 ? Init::zeros() : Init::xavier();
    p.info.purpose = t.purpose;
    p.info.stream = t.stream;
    p.info.silencing = t.silencing;
    return p;
  }

  /// The axes that are as long as a state of the text is wide, and as a stored caption has tokens.
  TextInput text_input() const {
    TextInput text{.width_name = text_.text_width,
                   .length_name = text_.text_length,
                   .width = {},
                   .length = {},
                   .because = text_.text_because};
    for (std::size_t i = 0; i < fit_.found.size(); ++i) {
      if (form_[i] < 0) continue;
      const auto& form = line(i).forms[std::size_t(form_[i])];
      for (std::size_t a = 0; a < form.size(); ++a) {
        const std::string& extent = form[a].extent.text();
        if (extent == text.width_name) text.width.push_back({.tensor = fit_.found[i].file->name, .axis = a});
        if (extent == text.length_name) text.length.push_back({.tensor = fit_.found[i].file->name, .axis = a});
      }
    }
    return text;
  }

  void add_list(Schema& s, const FamilyText::ListRule& rule) const {
    const auto in_layout = [&](const std::string& stack) {
      for (std::size_t k = 0; k < text_.stacks.size(); ++k)
        if (text_.stacks[k].name == stack) return fit_.layout->stacks[k];
      return stack;
    };
    BlockList list{.key = rule.key, .stack = in_layout(rule.stack), .with = {}, .guests = {}, .blocks = {}};
    if (sizes_.at(rule.stack) == 0) return;
    if (rule.guests.empty()) {
      list.with = fit_.layout->rename(rule.stack + ".{}." + rule.with);
      if (!list.with.starts_with(list.stack + ".{}."))
        throw format_error(where_ + ": config: '" + rule.key + "' asks for '" + rule.with + "' in the blocks of '" +
                           rule.stack + "', which " + fit_.layout->name + " have as '" + list.with + "'");
      list.with.erase(0, list.stack.size() + 4);
      const ParameterIndex parameters(s);
      for (std::int64_t b = 0; b < sizes_.at(rule.stack); ++b)
        if (parameters.find(list.stack + "." + std::to_string(b) + "." + list.with)) list.blocks.push_back(b);
      const auto* says = keys_.find(rule.key);
      if (says && *says != json(list.blocks))
        throw format_error(keys_.where() + ": '" + rule.key + "' is " + says->dump() + ", but in the file the blocks " +
                           json(list.blocks).dump() + " of '" + list.stack + "' have '" + list.with + "'");
    } else {
      if (sizes_.at(rule.guests) == 0) return;
      list.guests = in_layout(rule.guests);
      const auto* says = keys_.find(rule.key);
      const auto n = sizes_.at(rule.guests);
      if (!says || !says->is_array() || std::int64_t(says->size()) != n)
        throw format_error(keys_.where() + ": '" + rule.key + "' is " + (says ? says->dump() : "missing") +
                           "; expected the " + std::to_string(n) + " blocks of '" + list.stack +
                           "' that the blocks of '" + list.guests + "' feed");
      for (const auto& b : *says) {
        list.blocks.push_back(keys_.whole(b, rule.key));
        if (list.blocks.back() < 0 || list.blocks.back() >= sizes_.at(rule.stack))
          throw format_error(keys_.where() + ": '" + rule.key + "' names block " + b.dump() + " of '" + list.stack +
                             "', which has " + std::to_string(sizes_.at(rule.stack)));
      }
    }
    s.lists.push_back(std::move(list));
  }

  bool configured_;
  const FamilyText& text_;
  const Fit& fit_;
  ConfigKeys keys_;
  std::string where_;
  std::vector<std::ptrdiff_t> form_;  // of each tensor found
  std::set<std::string, std::less<>> spaces_;
  Sizes sizes_;
};

}  // namespace detail

MODELGROW_INLINE Family::Family(std::string_view text) {
  auto data = std::make_shared<Data>();
  data->text = FamilyText::parse(text);
  data->layouts.push_back(detail::layout_of(data->text, {}, "its own names"));
  if (!data->text.native.empty())
    data->layouts.push_back(detail::layout_of(data->text, data->text.native, "native names"));
  data_ = std::move(data);
}

MODELGROW_INLINE bool Family::claims(std::string_view config) const {
  if (config.empty()) return false;
  const auto j = detail::parse_json(config, "config.json");
  const auto is = [&](const detail::json& name) {
    return name.is_string() &&
           std::find(text().classes.begin(), text().classes.end(), name.get<std::string>()) != text().classes.end();
  };
  if (!j.is_object()) return false;
  for (const char* key : {"_class_name", "model_type"})
    if (const auto* says = detail::member(j, key); says && is(*says)) return true;
  const auto* architectures = detail::member(j, "architectures");
  return architectures && architectures->is_array() && std::any_of(architectures->begin(), architectures->end(), is);
}

MODELGROW_INLINE detail::Fit Family::fit(const Names& file) const {
  detail::Fit best;
  for (const auto& layout : data_->layouts)
    if (auto f = detail::fit(data_->text, layout, file); !best.layout || f.found.size() > best.found.size())
      best = std::move(f);
  return best;
}

MODELGROW_INLINE Family Family::grafted(std::string_view config, const std::string& where) const {
  if (config.find(detail::grafts_key) == config.npos && !text().open_sora_grafts) return *this;
  auto grafts = detail::grafts_of(config, where, text().open_sora_grafts);
  if (grafts.empty()) return *this;
  auto data = std::make_shared<Data>(*data_);
  for (const auto& g : grafts) {
    for (const auto& gone : g.replaces)
      for (const auto& layout : data->layouts)
        if (const auto it = layout.tensor.find(detail::with_stack_of(layout, data->text, gone));
            it != layout.tensor.end())
          data->text.tensors[it->second].blocks = FamilyText::Blocks::none;
    for (const auto& [pattern, line] : g.tensors)
      for (auto& one :
           detail::read_lines(pattern, line, where + ": graft '" + g.name + "', tensor '" + pattern + "'")) {
        data->text.tensors.push_back(std::move(one));
        for (auto& layout : data->layouts) detail::add_line(layout, data->text);
      }
  }
  data->grafts = std::move(grafts);
  Family with = *this;
  with.data_ = std::move(data);
  return with;
}

MODELGROW_INLINE void Family::require_replaced(const std::string& where) const {
  for (const auto& g : data_->grafts)
    for (const auto& gone : g.replaces)
      if (std::none_of(data_->layouts.begin(), data_->layouts.end(), [&](const auto& layout) {
            return layout.tensor.contains(detail::with_stack_of(layout, data_->text, gone));
          }))
        throw format_error(where + ": graft '" + g.name + "' takes the place of '" + gone + "', which family '" +
                           name() + "' does not have; correct the name in 'replaces'");
}

MODELGROW_INLINE Schema Family::schema(const Names& file, std::string_view config, const std::string& where,
                                       Trust trust) const {
  const Family with = grafted(config, where + "/config.json");
  with.require_replaced(where + "/config.json");
  Schema s = with.read(file, config, where, trust);
  s.reader = [family = *this](const Names& names, std::string_view text, const std::string& place) {
    return family.schema(names, text, place);
  };
  return s;
}

MODELGROW_INLINE Schema Family::read(const Names& file, std::string_view config, const std::string& where,
                                     Trust trust) const {
  const auto f = fit(file);
  if (!f.whole()) throw format_error(where + ": the tensors do not fit family '" + name() + "'" + detail::complaint(f));
  const auto json = config.empty() ? detail::json::object() : detail::parse_json(config, where + "/config.json");
  if (!json.is_object()) throw format_error(where + "/config.json: a configuration is a JSON object");
  Schema s = detail::SchemaBuilder(data_->text, f, json, where, !config.empty()).build(trust);
  s.grafts = data_->grafts;
  return s;
}

}  // namespace modelgrow::inline v0
