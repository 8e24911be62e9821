// SPDX-License-Identifier: MIT
// A plan from JSON: replayed on averages, later checkpoints, elsewhere.
#pragma once
#include <functional>

#include <modelgrow/detail/json_members.hpp>
#include <modelgrow/families/graft_records.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/grow/plan_to_json.hpp>

namespace modelgrow::inline v0 {

/// Finds the matrices that a fill names by their checksum and widths; whoever throws says where they were looked for.
using FindMap = std::function<AffineMap(const std::string& checksum, std::int64_t from, std::int64_t to)>;

namespace detail {

/// Whether a value is a number of just this type, which the parser's own conversions would bend: 1.9 is no whole
/// Whether what should be whole numbers are; all else is left to the conversion itself.
template <class T>
bool can_be(const json& value) {
  if constexpr (std::is_same_v<T, std::int64_t>) {
    return whole_number(value).has_value();
  } else if constexpr (std::is_same_v<T, std::uint64_t>) {
    return value.is_number_unsigned();
  } else if constexpr (requires { typename T::mapped_type; }) {
    return std::all_of(value.begin(), value.end(), can_be<typename T::mapped_type>);
  } else if constexpr (requires { typename T::first_type; }) {
    return value.size() != 2 || !value.is_array() ||
           (can_be<typename T::first_type>(value[0]) && can_be<typename T::second_type>(value[1]));
  } else if constexpr (requires { typename T::value_type; } && !std::is_same_v<T, std::string> &&
                       !std::is_same_v<T, json>) {
    return std::all_of(value.begin(), value.end(), can_be<typename T::value_type>);
  } else {
    return true;
  }
}

/// Reads the fields of one step; every complaint is a format_error that names the step and the field.
class StepReader {
 public:
  StepReader(const json& object, std::string where) : object_(object), where_(std::move(where)) {
    if (!object_.is_object()) fail("is not an object");
  }
  [[noreturn]] void fail(const std::string& what) const { throw format_error(where_ + " " + what); }
  bool has(const char* key) const { return object_.contains(key); }
  template <class T>
  T get(const char* key) const {
    try {
      const json& value = object_.at(key);
      if (!can_be<T>(value))
        fail("has '" + std::string(key) + "': " + value.dump().substr(0, 80) + "; expected whole numbers");
      return value.get<T>();
    } catch (const json::exception& e) {
      fail("has no usable '" + std::string(key) + "': " + e.what());
    }
  }
  template <class E, std::size_t N>
  E one_of(const char* key, const std::string_view (&names)[N]) const {
    const auto text = get<std::string>(key);
    for (std::size_t i = 0; i < N; ++i)
      if (names[i] == text) return static_cast<E>(i);
    fail("has the unknown " + std::string(key) + " '" + text + "'");
  }
  /// A word of an enum that lists them.
  template <class E>
  E word(const char* key) const {
    const auto text = get<std::string>(key);
    const auto words = words_of(E{});
    const auto it = std::find(words.begin(), words.end(), text);
    if (it == words.end()) fail("has the unknown " + std::string(key) + " '" + text + "'");
    return static_cast<E>(it - words.begin());
  }
  template <class F>
  void each(const char* key, F&& f) const {
    const auto list = get<json>(key);
    if (!list.is_array()) fail("has a '" + std::string(key) + "' that is no list");
    for (std::size_t i = 0; i < list.size(); ++i) f(StepReader(list[i], where_ + ", " + key + " " + std::to_string(i)));
  }

 private:
  const json object_;
  std::string where_;
};

/// "in 3*heads*64", the axis of a parameter whose spaces are known.
inline Axis read_axis(const StepReader& r, const std::string& text, const Sizes& sizes) {
  std::set<std::string, std::less<>> spaces;
  for (const auto& [name, size] : sizes) spaces.insert(name);
  const auto space = text.find(' ');
  for (std::size_t i = 0; i < std::size(role_names); ++i)
    if (text.substr(0, space) == role_names[i] && space != text.npos)
      return Axis{.role = Role(i),
                  .extent = Expression::parse(text.substr(space + 1), "plan").extent(sizes, spaces, "plan")};
  r.fail("has the axis '" + text + "'; expected a role and a size, as in 'in heads*64'");
}

inline ParamSpec read_parameter(const StepReader& r, const Sizes& sizes) {
  ParamSpec p{.name = r.get<std::string>("name"), .dtype = DType::f32, .info = ParamInfo{.axes = {}}};
  const auto dtype = parse_dtype(r.get<std::string>("dtype"));
  if (!dtype) r.fail("has an unknown dtype");
  p.dtype = *dtype;
  for (const auto& axis : r.get<std::vector<std::string>>("axes")) p.info.axes.push_back(read_axis(r, axis, sizes));
  p.info.init = Init{.kind = r.one_of<Init::Kind>("init", init_names), .scale = r.get<double>("scale")};
  p.info.purpose = r.one_of<Purpose>("purpose", purpose_names);
  if (r.has("branch")) p.info.stream.branch = r.get<std::string>("branch");
  if (r.has("inner")) p.info.stream.inner = r.get<bool>("inner");
  if (r.has("gain")) p.info.silencing.gain = r.get<bool>("gain");
  if (r.has("query")) {
    p.info.silencing.query = true;
    p.info.silencing.queries = r.get<std::vector<std::int64_t>>("query");
  }
  if (r.has("shifts")) p.info.silencing.shifts = r.get<std::vector<std::int64_t>>("shifts");
  if (r.has("gates"))
    r.each("gates", [&](const StepReader& g) {
      p.info.stream.gates.push_back(
          Gates{.chunks = g.get<std::vector<std::int64_t>>("chunks"), .branch = g.get<std::string>("branch")});
    });
  return p;
}

inline Sizes read_constants(const StepReader& r) {
  Sizes sizes;
  if (r.has("constants"))
    for (const auto& [name, size] : r.get<std::map<std::string, std::int64_t>>("constants")) sizes[name] = size;
  return sizes;
}

inline Fill read_fill(const StepReader& r, const FindMap& find) {
  Fill v{.readers = {}, .map = {}, .length = r.get<std::int64_t>("length"), .constants = read_constants(r)};
  r.each("readers", [&](const StepReader& x) {
    v.readers.push_back(Fill::Reader{.weight = x.get<std::string>("weight"),
                                     .bias = x.get<std::string>("bias"),
                                     .states = x.get<std::string>("states")});
  });
  const StepReader m(r.get<json>("map"), "plan: the map of a fill");
  const auto sum = m.get<std::string>("checksum");
  if (!find)
    m.fail("has its matrices, " + sum + ", in a file beside plan.json; read both with read_plan(path, schema)");
  AffineMap map = find(sum, m.get<std::int64_t>("from"), m.get<std::int64_t>("to"));
  if (m.has("r_squared")) map.r_squared = m.get<double>("r_squared");
  v.map = std::make_shared<const AffineMap>(std::move(map));
  if (r.has("graft")) v.graft = graft_from_json(r.get<json>("graft"), "plan: the graft of a step");
  return v;
}

inline Verb read_verb(const StepReader& r, Sizes sizes, const FindMap& find) {
  const auto verb = r.get<std::string>("verb");
  if (verb == "remap") {
    Remap v;
    r.each("maps", [&](const StepReader& m) {
      v.maps.push_back(SpaceMap{.space = m.get<std::string>("space"),
                                .old_size = m.get<std::int64_t>("old_size"),
                                .from = m.get<std::vector<std::int64_t>>("from"),
                                .split = m.get<std::vector<double>>("split")});
      if (m.has("blend"))
        for (const auto& unit : m.get<std::vector<std::vector<std::pair<std::int64_t, double>>>>("blend")) {
          auto& parts = v.maps.back().blend.emplace_back();
          for (const auto& [i, weight] : unit) parts.push_back(Blend{.unit = i, .weight = weight});
        }
      if (m.has("silent")) {
        v.maps.back().silent = m.get<std::vector<bool>>("silent");
        v.maps.back().silence = m.one_of<Silence>("silence", silence_names);
      }
    });
    const StepReader noise(r.get<json>("noise"), "noise");
    v.noise = Noise{.db = noise.get<double>("db"), .seed = noise.get<std::uint64_t>("seed")};
    if (r.has("rows")) v.rows = r.word<NewRows>("rows");
    return v;
  }
  if (verb == "insert") {
    Insert v{.stacks = r.get<std::vector<std::string>>("stacks"), .places = {}, .run = r.get<std::int64_t>("run")};
    if (!r.has("places"))  // as in version 2, which had a step for each
      v.places.push_back({.at = r.get<std::int64_t>("at"), .like = r.get<std::int64_t>("like")});
    else
      for (const auto& [at, like] : r.get<std::vector<std::pair<std::int64_t, std::int64_t>>>("places"))
        v.places.push_back({.at = at, .like = like});
    if (r.has("start")) v.start = r.word<BlockStart>("start"), v.seed = r.get<std::uint64_t>("seed");
    return v;
  }
  if (verb == "add") {
    Add v{.parameters = {}, .spaces = {}, .constants = read_constants(r), .seed = r.get<std::uint64_t>("seed")};
    r.each("spaces", [&](const StepReader& s) {
      v.spaces.push_back(
          SpaceSpec{.space = Space{.name = s.get<std::string>("space"), .size = s.get<std::int64_t>("size")},
                    .rules = SpaceRules{.copies = s.one_of<Copies>("copies", copies_names),
                                        .because = s.get<std::string>("because"),
                                        .tied_to = s.get<std::string>("tied_to"),
                                        .exact_if = s.get<std::string>("exact_if"),
                                        .rms_only = s.has("rms_only") && s.get<bool>("rms_only"),
                                        .interleaved = s.get<bool>("interleaved")}});
    });
    for (const auto& x : v.spaces) sizes[x.space.name] = x.space.size;
    if (r.has("graft")) v.graft = graft_from_json(r.get<json>("graft"), "plan: the graft of a step");
    r.each("parameters", [&](const StepReader& p) { v.parameters.push_back(read_parameter(p, sizes)); });
    return v;
  }
  if (verb == "fill") return read_fill(r, find);
  if (verb == "rename") return Rename{.from = r.get<std::string>("from"), .to = r.get<std::string>("to")};
  if (verb == "drop") return Drop{.name = r.get<std::string>("name"), .because = r.get<std::string>("because")};
  if (verb == "tie") return Tie{.name = r.get<std::string>("name"), .to = r.get<std::string>("to")};
  if (verb == "upcycle") {
    Upcycle v{.routers = {},
              .experts = r.get<std::int64_t>("experts"),
              .seed = r.get<std::uint64_t>("seed"),
              .graft = graft_from_json(r.get<json>("graft"), "plan: the graft of a step")};
    r.each("routers", [&](const StepReader& p) { v.routers.push_back(read_parameter(p, sizes)); });
    return v;
  }
  if (verb == "move_state")
    return MoveState{.moments = r.word<Moments>("moments"),
                     .multipliers = r.word<Rates>("multipliers"),
                     .steps = r.get<std::int64_t>("steps")};
  if (verb == "allow") return Allow{.what = r.one_of<Allow::What>("what", allow_names)};
  r.fail("has the unknown verb '" + verb + "'");
}

}  // namespace detail

/// Replays a plan on a schema; `find` gives the matrices of its fills (grow/read_plan.hpp). Throws format_error for
/// text that is no plan, plan_error for steps that do not fit.
inline Plan plan_from_json(std::string_view text, Schema source, const FindMap& find = {}) {
  const auto object = detail::parse_json(text, "plan");
  const detail::StepReader head(object, "plan:");
  if (object.contains("modelgrow_plan") && object["modelgrow_plan"] == 1)
    head.fail(
        "the plan is of version 1, which did not know branches and paired stacks; make it anew with its operators");
  const auto version = object.contains("modelgrow_plan") ? object["modelgrow_plan"] : detail::json();
  if (version != 2 && version != 3 && version != 4)
    head.fail("the text has no 'modelgrow_plan': 2, 3 or 4; it is no plan that this version reads");
  if (const auto family = head.get<std::string>("family"); family != source.family)
    throw plan_error("the plan is for family '" + family + "', the model is of family '" + source.family + "'");
  Plan plan(std::move(source));
  std::int64_t call = -1;
  head.each("steps", [&](const detail::StepReader& r) {
    if (const auto c = r.get<std::int64_t>("call"); c != call) {
      plan.begin(r.get<std::string>("by"));
      call = c;
    }
    Sizes sizes;
    for (const auto& s : plan.schema().spaces) sizes[s.space.name] = s.space.size;
    plan.say(detail::read_verb(r, std::move(sizes), find));
  });
  return plan;
}

}  // namespace modelgrow::inline v0
