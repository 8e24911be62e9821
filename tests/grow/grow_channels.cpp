// SPDX-License-Identifier: MIT
// More channels of the data: whatever new inputs hold, old outputs are as before, new ones are zero; both learn; Wan's
// text-to-video model takes the channels of image-to-video; every class finds its old channels where it looks for them.
#include <modelgrow/checkpoint/convert.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/families/config_rules.hpp>
#include <modelgrow/grow/operators/grow_channels.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/silent.hpp>
#include <modelgrow/grow/write.hpp>

#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/random_folder.hpp"
#include "tests/support/releases.hpp"
#include "tests/support/scratch.hpp"
#include "tiny.hpp"

using namespace modelgrow;
using namespace modelgrow::testing;

namespace {

/// A patch embedding and a head: y [patch * out] = H gelu(E x + b) + c, with the channels of a patch innermost.
Schema toy(std::int64_t in_channels = 3, std::int64_t out_channels = 2) {
  const Space inputs{.name = "in_channels", .size = in_channels}, outputs{.name = "out_channels", .size = out_channels},
      hidden{.name = "hidden", .size = 4};
  Schema s;
  s.family = "toy";
  const auto put = [&](std::string name, Axes axes) {
    s.parameters.push_back(ParamSpec{.name = std::move(name), .dtype = DType::f64, .info = {.axes = std::move(axes)}});
  };
  put("embed.weight", {out(hidden), in(inputs), fixed(2)});
  put("embed.bias", {each(hidden)});
  put("head.weight", {out(Extent(2) * outputs), in(hidden)});
  put("head.bias", {each(Extent(2) * outputs)});
  s.spaces = {SpaceSpec{.space = inputs, .rules = {.copies = Copies::channels}},
              SpaceSpec{.space = outputs, .rules = {.copies = Copies::channels}}, SpaceSpec{.space = hidden}};
  return s;
}

template <class S>
std::vector<S> forward(const tiny::State<S>& w, const std::vector<S>& x) {
  std::vector<S> h = w.at("embed.bias"), y = w.at("head.bias");
  for (std::size_t i = 0; i < h.size(); ++i) {
    for (std::size_t j = 0; j < x.size(); ++j) h[i] = h[i] + w.at("embed.weight")[i * x.size() + j] * x[j];
    h[i] = tiny::Model<S>::act(h[i]);
  }
  for (std::size_t i = 0; i < y.size(); ++i)
    for (std::size_t j = 0; j < h.size(); ++j) y[i] = y[i] + w.at("head.weight")[i * h.size() + j] * h[j];
  return y;
}
std::vector<double> inputs(std::size_t channels, double salt) {
  std::vector<double> x;
  for (std::size_t i = 0; i < 2 * channels; ++i) x.push_back(std::sin(1.0 + double(i) + (i < 6 ? 0 : salt)));
  return x;
}

}  // namespace

TEST_CASE("Whatever new channels hold, the old outputs are as before", "[grow_channels]") {
  const Schema s = toy();
  const auto w = tiny::random_state(s);
  const auto old = forward<double>(w, inputs(3, 0));
  const Plan p = plan(s, GrowChannels{.to = 7}, GrowChannels{.space = "out_channels", .to = 5},
                      Net2Wider{.space = "hidden", .to = 9});
  CHECK(p.certificate().exactness == Exactness::exact);
  CHECK(p.trajectory().exactness == Exactness::approximate);
  CHECK(to_json(plan_from_json(to_json(p), s)) == to_json(p));
  const auto g = tiny::from_dict(grow_weights(p, tiny::to_dict<double>(s, w)));
  for (const double salt : {0.0, 17.0}) {
    const auto now = forward<double>(g, inputs(7, salt));
    REQUIRE(now.size() == 10);
    for (std::size_t patch = 0; patch < 2; ++patch)
      for (std::size_t c = 0; c < 5; ++c)
        CHECK_THAT(now[patch * 5 + c], WithinAbs(c < 2 ? old[patch * 2 + c] : 0.0, 1e-14));
  }
  // Both ends have gradients at once.
  tiny::Var::tape.clear();
  tiny::State<tiny::Var> vars;
  for (const auto& [n, v] : g)
    for (double x : v) vars[n].push_back(tiny::Var::make(x, tiny::Var(), 0));
  std::vector<tiny::Var> x;
  for (double v : inputs(7, 0)) x.emplace_back(v);
  tiny::Var loss(0);
  for (const auto& y : forward<tiny::Var>(vars, x)) loss = loss + y * y * tiny::Var(0.5) + y;
  const auto d = tiny::gradients_of(loss, vars);
  CHECK(d.at("embed.weight")[6] != 0);
  CHECK(d.at("head.weight")[2 * 9] != 0);
}

TEST_CASE("Wan takes the channels of an image beside its latents", "[grow_channels]") {
  for (const auto& r : releases("wan")) {
    if (r.name.find("Wan2.1-T2V-14B") == r.name.npos) continue;
    const Names names(r.tensors, r.name);
    const Schema s = family_of(names, r.config, r.name).schema(names, r.config, r.name);
    const Plan p = plan(s, GrowChannels{.to = 36});
    CHECK(p.certificate().exactness == Exactness::exact);
    CHECK(says(p.certificate().reason, "'in_channels' are read by weights of zero"));
    CHECK(p.upstream_cannot().empty());
    CHECK(p.schema().find("patch_embedding.weight")->shape() == Shape{5120, 36, 1, 2, 2});
    CHECK(changed_config(s, p.schema()) == ConfigPatch{{"in_channels", "36"}});
    return;
  }
  FAIL("no release of Wan 2.1 T2V");
}

namespace {

/// How a class lays out the channels of its data along an axis: all places of a patch of one channel side by side, or
/// all channels of one place, in one half or two (mean | variance); then what is no channel.
struct Layout {
  enum class Order { channels_outside, channels_inside } order;
  std::string space, tensor;
  int axis;
  std::int64_t places = 1, halves = 1, behind = 0;

  /// Where a class of `channels` channels has this one.
  std::int64_t at(std::int64_t channel, std::int64_t half, std::int64_t place, std::int64_t channels) const {
    return order == Order::channels_outside ? channel * places + place : (place * halves + half) * channels + channel;
  }
  std::int64_t size(std::int64_t channels) const { return places * halves * channels + behind; }
};

/// The axis in the middle of [outer, axis, inner] of the values, with zeros for channels that are new.
std::vector<double> expected(const Layout& l, const std::vector<double>& old, std::int64_t from, std::int64_t to,
                             std::int64_t outer, std::int64_t inner) {
  std::vector<double> now(std::size_t(outer * l.size(to) * inner), 0.0);
  const auto move = [&](std::int64_t source, std::int64_t target) {
    for (std::int64_t o = 0; o < outer; ++o)
      for (std::int64_t i = 0; i < inner; ++i)
        now[std::size_t((o * l.size(to) + target) * inner + i)] =
            old[std::size_t((o * l.size(from) + source) * inner + i)];
  };
  for (std::int64_t c = 0; c < from; ++c)
    for (std::int64_t half = 0; half < l.halves; ++half)
      for (std::int64_t place = 0; place < l.places; ++place)
        move(l.at(c, half, place, from), l.at(c, half, place, to));
  for (std::int64_t k = 1; k <= l.behind; ++k) move(l.size(from) - k, l.size(to) - k);
  return now;
}

}  // namespace

TEST_CASE("Old channels lie where the class looks for them, new ones are zero", "[grow_channels]") {
  using enum Layout::Order;
  const std::vector<Layout> stdit{{channels_outside, "in_channels", "x_embedder.proj.weight", 1},
                                  {channels_inside, "in_channels", "final_layer.linear.weight", 0, 4, 2},
                                  {channels_inside, "in_channels", "final_layer.linear.bias", 0, 4, 2}};
  const std::map<std::string, std::vector<Layout>> families{
      {"stdit1", stdit},
      {"stdit2", stdit},
      {"stdit3", stdit},
      {"latte_original", stdit},
      {"ltx2",
       {{channels_outside, "in_channels", "proj_in.weight", 1},
        {channels_outside, "out_channels", "proj_out.weight", 0},
        {channels_outside, "audio_in_channels", "audio_proj_in.weight", 1},
        {channels_outside, "audio_out_channels", "audio_proj_out.bias", 0}}},
      {"flux2",
       {{channels_outside, "in_channels", "x_embedder.weight", 1},
        {channels_outside, "out_channels", "proj_out.weight", 0}}},
      {"cosmos",
       {{channels_outside, "in_channels", "patch_embed.proj.weight", 1, 4, 1, 4},  // the mask of the padding is last
        {channels_inside, "out_channels", "proj_out.weight", 0, 4}}},
      {"z_image",
       {{channels_inside, "in_channels", "all_x_embedder.2-1.weight", 1, 4},
        {channels_inside, "in_channels", "all_final_layer.2-1.linear.weight", 0, 4},
        {channels_inside, "in_channels", "all_final_layer.2-1.linear.bias", 0, 4}}},
      {"minimax_h3",
       {{channels_outside, "in_channels", "proj_in.weight", 1, 4},
        {channels_outside, "in_channels", "proj_out.weight", 0, 4},
        {channels_outside, "audio_channels", "audio_proj_in.weight", 1},
        {channels_outside, "audio_channels", "audio_proj_out.bias", 0}}},
      {"cogvideox", {{channels_outside, "out_channels", "proj_out.weight", 0, 4}}},
      {"cogvideox 1.5",
       {{channels_outside, "in_channels", "patch_embed.proj.weight", 1, 8},
        {channels_outside, "out_channels", "proj_out.weight", 0, 8}}}};
  const Scratch scratch;
  std::set<std::string> seen;
  for (const auto& r : releases()) {
    const auto found = families.find(r.family + (r.name.find("CogVideoX1.5") != r.name.npos ? " 1.5" : ""));
    if (!r.tiny() || found == families.end()) continue;
    seen.insert(found->first);
    std::filesystem::remove_all(scratch / "base");
    random_folder(scratch / "base", r, DType::f32);
    const auto in = Checkpoint::open(scratch / "base");
    const Schema s = family_of(in.names(), in.config(), "tiny").schema(in);
    for (const auto& l : found->second) {
      INFO(r.name + ": " + l.tensor);
      const std::int64_t from = s.space(l.space).space.size, to = from + 3;
      std::filesystem::remove_all(scratch / "grown");
      const Plan p = plan(s, accept_upstream, GrowChannels{.space = l.space, .to = to});
      CHECK(p.certificate().exactness == Exactness::exact);
      const Report report = p.write(in, scratch / "grown");
      CHECK(report.read_back);
      CHECK(report.max_residual == 0);
      const auto out = Checkpoint::open(scratch / "grown");
      const auto& shape = in.tensor(l.tensor).shape;
      std::int64_t outer = 1, inner = 1;
      for (int a = 0; a < shape.rank(); ++a) (a < l.axis ? outer : inner) *= a == l.axis ? 1 : shape[a];
      REQUIRE(shape[l.axis] == l.size(from));
      CHECK(values_of<double>(out.tensor(l.tensor)) ==
            expected(l, values_of<double>(in.tensor(l.tensor)), from, to, outer, inner));
      const auto config = modelgrow::detail::parse_json(out.config(), "grown");
      CHECK(config[l.space == "audio_channels" ? "audio_in_channels" : l.space] == to);
      if (r.family == "flux2" && l.space == "in_channels") CHECK(config["out_channels"] == from);
    }
  }
  CHECK(seen.size() == families.size());
}

TEST_CASE("A null in config.json is spelled out where the class would take another number", "[grow_channels]") {
  for (const auto& r : releases("flux")) {
    const Names names(r.tensors, r.name);
    const Schema s = family_of(names, r.config, r.name).schema(names, r.config, r.name);
    const auto old = std::to_string(s.space("out_channels").space.size);
    const Plan p = plan(s, GrowChannels{.to = 2 * s.space("in_channels").space.size});
    const auto patch = changed_config(s, p.schema());
    CHECK(std::find(patch.begin(), patch.end(), std::pair{std::string("out_channels"), old}) != patch.end());
    const Plan both = plan(s, GrowChannels{.to = 128}, GrowChannels{.space = "out_channels", .to = 128});
    CHECK(changed_config(s, both.schema()) == ConfigPatch{{"in_channels", "128"}});
  }
  // So it is in every class that has a number of its own for the output and lets it be null.
  std::set<std::string> seen;
  for (const auto& r : releases()) {
    auto config = modelgrow::detail::parse_json(r.config, r.name);
    if (!config.contains("out_channels") || r.family == "cosmos" || r.family == "cogvideox") continue;
    config["out_channels"] = nullptr;
    INFO(r.name);
    seen.insert(r.family);
    const Names names(r.tensors, r.name);
    const Schema s = family_of(names, config.dump(), r.name).schema(names, config.dump(), r.name);
    const auto old = std::to_string(s.sizes().at("out_channels"));
    const auto patch = changed_config(s, plan(s, GrowChannels{.to = s.space("in_channels").space.size + 3}).schema());
    CHECK(std::find(patch.begin(), patch.end(), std::pair{std::string("out_channels"), old}) != patch.end());
  }
  for (const auto* family : {"hunyuan_video15", "ltx2", "qwen_image", "wan", "wan_vace"}) CHECK(seen.contains(family));
}

TEST_CASE("New channels of the output lie where patches are unpacked", "[grow_channels]") {
  // Of the place in a patch and the channel, the one that the class of a family takes for the outer one.
  const std::pair<const char*, bool> families[] = {
      {"wan", false}, {"sd3", false}, {"mochi", false}, {"hunyuan_video", true}, {"qwen_image", true}};
  for (const auto& [family, channels_outside] : families) {
    const auto r = releases(family).front();
    const Names names(r.tensors, r.name);
    const Schema s = family_of(names, r.config, r.name).schema(names, r.config, r.name);
    const std::int64_t old = s.space("out_channels").space.size, places = s.find("proj_out.bias")->shape()[0] / old;
    const Plan p = plan(s, GrowChannels{.space = "out_channels", .to = old + 1});
    const AxisMap rows =
        lift(s.find("proj_out.bias")->info.axes[0], std::get<Remap>(p.steps().front().verb).maps.front());
    INFO(family);
    REQUIRE(places == 4);
    REQUIRE(rows.from.size() == std::size_t(places * (old + 1)));
    for (std::int64_t c = 0; c < old; ++c)
      for (std::int64_t place = 0; place < places; ++place) {
        const auto row = std::size_t(channels_outside ? c * places + place : place * (old + 1) + c);
        CHECK(rows.from[row] == (channels_outside ? c * places + place : place * old + c));
      }
  }
}

TEST_CASE("What is no channel of the data is refused", "[grow_channels]") {
  const Schema s = toy();
  const auto refusal = [](const Schema& from, const auto&... ops) {
    return message_of<plan_error>([&] { plan(from, ops...); });
  };
  CHECK(says(refusal(s, GrowChannels{.to = 3}), "'in_channels' has 3 channels; 3 would add none"));
  CHECK(says(refusal(s, GrowChannels{.space = "hidden", .to = 8}), "no space of channels of the data",
             "there are 'in_channels', 'out_channels'"));
  CHECK(says(refusal(tiny::schema(tiny::Config{}), GrowChannels{.to = 8}), "does not say where its channels are"));
  // Units that nothing reads are felt all the same by a norm that runs over them.
  Schema normed = s;
  normed.spaces[2].rules = {.copies = Copies::uniform, .because = "LayerNorm runs over it"};
  SpaceMap unread{.space = "hidden", .old_size = 4, .from = {}, .split = {}, .silence = Silence::unread};
  for (std::int64_t j = 0; j < 5; ++j) modelgrow::detail::put_unit(unread, j % 4, j >= 4);
  CHECK(says(message_of<plan_error>([&] { Plan(normed).remap({unread}); }), "does not keep the function",
             "LayerNorm runs over it"));
  Schema data = s;
  for (auto& x : data.spaces) x.rules.because = "they are channels of the data; GrowChannels adds some";
  CHECK(says(refusal(data, Net2Wider{.space = "in_channels", .to = 6}), "cannot grow and keep the function",
             "GrowChannels adds some"));
}
