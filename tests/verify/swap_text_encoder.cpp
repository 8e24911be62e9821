// SPDX-License-Identifier: MIT
// The laws of swapping the text encoder of STDiT: where the states of the new encoder determine those of the old one,
// the model that reads them through a map computes what it did; files, averages, float weights of optimizers and live
// models agree; nobody gets it without asking.
#include <map>
#include <set>

#include <modelgrow/detail/atomic_file.hpp>
#include <modelgrow/families/all.hpp>
#include <modelgrow/grow/live.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/swap_text_encoder.hpp>
#include <modelgrow/grow/plan_json.hpp>
#include <modelgrow/grow/read_plan.hpp>
#include <modelgrow/grow/write.hpp>
#include <modelgrow/models/stdit.hpp>
#include <modelgrow/models/stdit_config.hpp>
#include <modelgrow/text/ridge.hpp>
#include <modelgrow/train/ema.hpp>
#include <modelgrow/verify/output_change.hpp>

#include "tests/models/stdit_support.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"
#include "tests/support/scratch.hpp"
#include "tests/support/squares.hpp"

using namespace test;
using mg::Cpu;
using modelgrow::testing::message_of;
using modelgrow::testing::says;

namespace {

template <class T>
using Model = mg::Stdit<T, Cpu>;

template <class T>
Model<T> random_model(std::uint64_t seed = 5) {
  Model<T> model(tiny_config());
  randomise(model, seed, 0.15);
  return model;
}

/// States of a new encoder, and those of the old one, which are an affine function of them, token by token.
template <class T>
struct Texts {
  mg::AffineMap planted;
  mg::Tensor<T, Cpu> fresh, old;

  Texts(const mg::StditConfig& c, std::int64_t width)
      : planted{.from = width,
                .to = c.caption_channels,
                .weight = values(random_tensor<double>({c.caption_channels, width}, 21)),
                .bias = values(random_tensor<double>({c.caption_channels}, 22))},
        fresh(random_tensor<T>({2, 5, width}, 23)),
        old(mapped(fresh)) {}

  static std::vector<double> values(const mg::Tensor<double, Cpu>& t) { return {t.data(), t.data() + t.size()}; }
  template <class U>
  mg::Tensor<U, Cpu> mapped(const mg::Tensor<U, Cpu>& x) const {
    mg::Tensor<U, Cpu> y({2, x.size() / 2 / planted.from, planted.to});
    for (std::int64_t i = 0; i < y.size(); ++i) {
      double sum = planted.bias[std::size_t(i % planted.to)];
      for (std::int64_t k = 0; k < planted.from; ++k)
        sum += planted.weight[std::size_t(i % planted.to * planted.from + k)] *
               double(x.data()[i / planted.to * planted.from + k]);
      y.data()[i] = U(sum);
    }
    return y;
  }
  /// The map as a user finds it: by ridge regression on other tokens.
  mg::AffineMap fitted() const {
    const auto x = random_tensor<double>({2, 100, planted.from}, 24), y = mapped(x);
    mg::PairMoments pairs(planted.from, planted.to);
    pairs.add({x.data(), std::size_t(x.size())}, {y.data(), std::size_t(y.size())});
    return pairs.ridge(0);
  }
  /// The prediction for captions of which the first or second may be dropped.
  mg::Tensor<T, Cpu> run(Model<T>& model, const mg::Tensor<T, Cpu>& states, std::vector<std::int32_t> dropped) const {
    const Inputs<T> in(tiny_config());
    mg::Tape<T, Cpu> tape(mg::Tape<T, Cpu>::Mode::infer);
    return model
        .forward(tape, tape.constant(in.x), in.t,
                 {tape.constant(states), in.lengths, mg::Tensor<std::int32_t, Cpu>::from({2}, dropped)})
        .value();
  }
};

mg::SwapTextEncoder swap_to(std::int64_t width, std::string prompt = {}) {
  return {.width = width, .max_length = 9, .prompt = std::move(prompt), .seed = 3};
}
mg::SwapTextEncoder swap_by(mg::AffineMap map, std::string prompt = {}) {
  return {.max_length = 9, .prompt = std::move(prompt), .align = std::move(map)};
}

/// Calls f(name, tensor) for everything that a model or its averages hold.
template <class Holder, class F>
void for_each_tensor(Holder& holder, F&& f) {
  if constexpr (requires { holder.averages(); })
    for (auto& [name, tensor] : holder.averages()) f(name, tensor);
  else
    mg::for_each_parameter(holder, [&](const std::string& name, auto& p) { f(name, p.value); });
}

template <class Holder, class Other>
void check_equal(Holder& a, Other& b) {
  std::map<std::string, std::vector<float>> values;
  for_each_tensor(a,
                  [&](const std::string& name, const auto& t) { values[name].assign(t.data(), t.data() + t.size()); });
  std::size_t count = 0;
  for_each_tensor(b, [&](const std::string& name, const auto& t) {
    INFO(name);
    ++count;
    CHECK(values[name] == std::vector<float>(t.data(), t.data() + t.size()));
  });
  CHECK(count == values.size());
}

}  // namespace

TEST_CASE("an aligned model computes what it did where the new states determine the old ones") {
  const std::int64_t width = GENERATE(6, 10, 14);  // narrower, as wide as, and wider than the old states
  const auto before = random_model<double>();
  const Texts<double> texts(before.config, width);
  auto old = before, after = before, random = before;
  mg::grow(mg::plan(mg::schema(before), mg::allow_approximate, swap_to(width)), random);
  mg::grow(mg::plan(mg::schema(before), mg::allow_approximate, swap_by(texts.fitted())), after);
  for (const auto* model : {&random, &after}) {
    CHECK(model->config.caption_channels == width);
    CHECK(model->config.model_max_length == 9);
  }
  const auto change_of = [&](Model<double>& model, std::vector<std::int32_t> dropped) {
    mg::OutputChange found;
    found.add(texts.run(old, texts.old, dropped), texts.run(model, texts.fresh, dropped));
    return found;
  };
  const auto change = [&](const std::vector<std::int32_t>& dropped) { return change_of(after, dropped); };
  CHECK(change_of(random, {0, 0}).relative() > 0.01);
  CHECK(change({0, 0}).relative() < 1e-10);
  CHECK(change({0, 0}).max_abs < 1e-10);
  if (width >= 10)  // a narrower one cannot say everything that the null caption says
    CHECK(change({1, 0}).relative() < 1e-10);
  else
    CHECK(change({1, 0}).relative() < 0.5);
  auto again = before;
  CHECK(relative_difference(texts.run(again, texts.old, {1, 0}), texts.run(old, texts.old, {1, 0})) == 0);
}

TEST_CASE("a swap is approximate, says why, and needs permission; as JSON it is the same plan") {
  const auto s = mg::schema(random_model<float>());
  const mg::Plan plan = mg::plan(s, mg::allow_approximate, swap_to(6, R"({"template": "a clip of {}"})"));
  CHECK(plan.certificate().exactness == mg::Exactness::approximate);
  CHECK(says(plan.certificate().reason, "the model reads another text encoder"));
  CHECK(says(plan.certificate().reason,
             "nothing closes the branch 'y_embedder' of the new parameter 'y_embedder.y_proj.fc1."));
  CHECK(plan.trajectory().exactness == mg::Exactness::approximate);
  const std::string json = mg::to_json(plan);
  CHECK(mg::to_json(mg::plan_from_json(json, s)) == json);

  const auto refused = [&](auto&&... ops) { return message_of<mg::plan_error>([&] { mg::plan(s, ops...); }); };
  using mg::allow_approximate;
  CHECK(says(refused(swap_to(6)), "SwapTextEncoder", "reads another text encoder", "allow_approximate"));
  CHECK(says(refused(allow_approximate, swap_to(0)), "width 0"));
  const auto map = Texts<float>(tiny_config(), 6).fitted();
  auto other = swap_by(map);
  other.width = 7;
  CHECK(says(refused(allow_approximate, other), "width 7", "starts from states of width 6"));
  CHECK(says(refused(swap_by(map)), "SwapTextEncoder", "through the map", "allow_approximate"));
  auto wide = tiny_config();
  wide.caption_channels = 8;
  CHECK(says(refused(allow_approximate, swap_by(Texts<float>(wide, 6).fitted())), "fc1.weight", "to width 8"));
  CHECK(says(refused(allow_approximate, mg::SwapTextEncoder{.width = 6, .max_length = 0}), "max_length 0"));
  CHECK(says(refused(allow_approximate, swap_to(6, "read this")), "prompt", "JSON"));
  CHECK(says(refused(allow_approximate, swap_to(6, R"({"a": 1})"), swap_to(7)), R"({"a":1})", "argument 'prompt'"));
  CHECK(refused(allow_approximate, swap_to(6, R"({"a": 1})"), swap_to(7, R"({"a": 2})")).empty());
  mg::Schema bare = s;
  bare.text_input = {};
  CHECK(says(message_of<mg::plan_error>([&] { mg::plan(bare, allow_approximate, swap_to(6)); }),
             "where its text enters"));
}

TEST_CASE("a swap changes the projector's first layer and the null caption, and nothing else") {
  const std::int64_t width = GENERATE(6, 10);
  auto swap = mg::SwapTextEncoder{.width = width, .max_length = 7};
  if (GENERATE(false, true)) swap.align = Texts<float>(tiny_config(), width).fitted();
  const auto plan = mg::plan(mg::schema(random_model<float>()), mg::allow_approximate, swap);
  std::set<std::string> fresh;
  for (const auto& r : plan.recipes())
    if (r.fresh) fresh.insert(r.name);
  CHECK(fresh ==
        std::set<std::string>{"y_embedder.y_embedding", "y_embedder.y_proj.fc1.bias", "y_embedder.y_proj.fc1.weight"});
}

TEST_CASE("a swap on disk is that of the live model: weights, averages, moments, configuration") {
  const modelgrow::testing::Scratch scratch;
  auto live = random_model<float>();
  mg::AdamW<float, Cpu> optimizer(live, {});
  mg::Ema<float, Cpu> ema(random_model<float>(6), optimizer);
  mg::for_each_parameter(live, [](const std::string&, auto& p) { p.gradient = p.value.clone(); });
  optimizer.step(live, 1e-3);
  std::filesystem::create_directory(scratch / "base");
  mg::save(scratch / "base" / "model.safetensors", live);
  optimizer.save(scratch / "base" / "optimizer.safetensors");
  ema.save(scratch / "base" / "ema.safetensors");
  mg::detail::write_file(scratch / "base" / "config.json", mg::config_text(live.config));

  const auto in = mg::Checkpoint::open(scratch / "base");
  const Texts<float> texts(live.config, 6);
  const auto map = texts.fitted();
  const mg::Plan plan = mg::plan(in, mg::allow_approximate, swap_by(map, R"({"template": "a clip of {}"})"));
  const mg::Report report = plan.write(in, scratch / "grown");
  CHECK(says(report.worst, "y_embedder.y_embedding"));  // a narrower state cannot say all that the null caption says
  CHECK(report.max_residual < 1);
  for (const auto& t : report.tensors)
    if (t.name != "y_embedder.y_embedding") CHECK(t.residual == 0);
  CHECK(report.read_back);

  mg::grow(mg::read_plan(scratch / "grown" / "plan.json", mg::schema(in)), live, optimizer, ema);
  CHECK(mg::first_prompt(live.config.grafts) == R"({"template":"a clip of {}"})");

  const auto out = mg::Checkpoint::open(scratch / "grown");
  mg::StditConfig config;
  mg::read_config(config, out.config(), "grown");
  CHECK(config == live.config);
  Model<float> loaded(config);
  mg::load(loaded, out);
  check_equal(loaded, live);
  mg::AdamW<float, Cpu> moments(loaded, {});
  moments.load(out.optimizer(), loaded);
  mg::Ema<float, Cpu> averages(loaded, moments);
  averages.load(out.ema(), loaded);
  check_equal(averages, ema);
  for (const auto* states : {&moments.states(), &optimizer.states()}) {
    const auto& weight = states->at("y_embedder.y_proj.fc1.weight");
    CHECK(weight.m.shape() == mg::Shape{24, 6});
    CHECK(mg::testing::sum_of_squares(weight.m) == 0);
    CHECK(weight.step == 0);
    CHECK(states->at("y_embedder.y_proj.fc1.bias").step == 0);
    CHECK(states->at("y_embedder.y_proj.fc2.weight").step == 1);
  }
  CHECK(std::filesystem::exists(scratch / "grown" / "plan.json"));
  CHECK(out.metadata() == mg::Checkpoint::open(scratch / "grown" / "model.safetensors").metadata());
  CHECK(out.metadata().contains("modelgrow"));

  // The prompt stays through later growth of the file.
  mg::plan(out, mg::InsertBlocks{.every = 2}).write(out, scratch / "more");
  mg::StditConfig later;
  mg::read_config(later, mg::Checkpoint::open(scratch / "more").config(), "more");
  CHECK(later.grafts == config.grafts);
  CHECK(later.caption_channels == 6);
}

TEST_CASE("the float weights of a 16-bit model are filled from themselves, on disk and live") {
  const modelgrow::testing::Scratch scratch;
  auto live = random_model<mg::bf16>();
  mg::AdamW<mg::bf16, Cpu> optimizer(live, {});
  mg::for_each_parameter(live, [&](const std::string& path, const auto& p) {  // as a step on a device leaves it
    if (!p.trained()) return;
    auto& s = optimizer.states()[path];
    s.m = mg::Tensor<float, Cpu>::zeros(p.value.shape());
    s.v = s.m.clone();
    s.master = s.m.clone();
    s.step = 1;
    for (std::int64_t i = 0; i < p.value.size(); ++i) s.master.data()[i] = float(p.value.data()[i]) * 1.001F;
  });
  std::filesystem::create_directory(scratch / "base");
  mg::save(scratch / "base" / "model.safetensors", live);
  optimizer.save(scratch / "base" / "optimizer.safetensors");
  mg::detail::write_file(scratch / "base" / "config.json", mg::config_text(live.config));
  const auto in = mg::Checkpoint::open(scratch / "base");
  const mg::Plan plan = mg::plan(in, mg::allow_approximate, swap_by(Texts<float>(live.config, 14).fitted()));
  plan.write(in, scratch / "grown");
  mg::grow(plan, live, optimizer);

  const auto out = mg::Checkpoint::open(scratch / "grown");
  Model<mg::bf16> loaded(live.config);
  mg::load(loaded, out);
  mg::AdamW<mg::bf16, Cpu> read(loaded, {});
  read.load(out.optimizer(), loaded);
  std::size_t filled = 0;
  mg::for_each_parameter(live, [&](const std::string& path, const auto& p) {
    if (!path.starts_with("y_embedder.y_proj.fc1")) return;
    INFO(path);
    const auto &master = optimizer.states().at(path).master, &same = read.states().at(path).master;
    REQUIRE(master.shape() == p.value.shape());
    CHECK(std::vector(master.data(), master.data() + master.size()) ==
          std::vector(same.data(), same.data() + same.size()));
    double most = 0, difference = 0, own = 0;
    for (std::int64_t i = 0; i < master.size(); ++i) {
      most = std::max(most, std::abs(double(master.data()[i])));
      difference = std::max(difference, std::abs(double(float(p.value.data()[i])) - double(master.data()[i])));
      own += float(mg::bf16(master.data()[i])) != master.data()[i];
    }
    CHECK(difference < 0x1p-6 * most);  // the 16-bit weights were rounded before the map and after it
    CHECK(own > 0);                     // what they do not know
    ++filled;
  });
  CHECK(filled == 2);
}

TEST_CASE("shards hold what the live model does") {
  const modelgrow::testing::Scratch scratch;
  auto live = random_model<float>();
  std::filesystem::create_directory(scratch / "base");
  mg::save(scratch / "base" / "model.safetensors", live);
  mg::detail::write_file(scratch / "base" / "config.json", mg::config_text(live.config));
  const auto in = mg::Checkpoint::open(scratch / "base");
  const mg::Plan plan = mg::plan(in, mg::allow_approximate, swap_by(Texts<float>(live.config, 6).fitted()));
  plan.write(in, scratch / "grown", {.shard_bytes = 20'000});
  const auto out = mg::Checkpoint::open(scratch / "grown");
  CHECK(out.files().size() > 1);
  mg::grow(plan, live);
  Model<float> loaded(live.config);
  mg::load(loaded, out);
  check_equal(loaded, live);
}

TEST_CASE("changes of the output are compared shape by shape") {
  mg::OutputChange change;
  CHECK_THROWS_AS(change.add(mg::Tensor<float, Cpu>({2}), mg::Tensor<float, Cpu>({3})), mg::shape_error);
  CHECK(change.relative() == 0);
}
