// SPDX-License-Identifier: MIT
// The file check accepts what growth wrote and catches every trap that is built wrong on purpose, by the bytes alone.
#include <cstring>

#include <modelgrow/grow/file_check.hpp>
#include <modelgrow/grow/operators/insert_blocks.hpp>
#include <modelgrow/grow/operators/net2wider.hpp>
#include <modelgrow/grow/outputs.hpp>
#include <modelgrow/grow/plan_json.hpp>

#include "disk.hpp"
#include "tests/support/catch.hpp"

using namespace modelgrow;

namespace {

const tiny::Config small{.text = 3, .conv = true};

struct Grown {
  Plan p;
  StateDict old, grown;
  FileCheck check() const {
    const auto a = modelgrow::detail::views_of(old), b = modelgrow::detail::views_of(grown);
    return check_weights(p, TensorSet(a, "old"), TensorSet(b, "grown"));
  }
  /// The message of the check_error after an edit.
  template <class F>
  std::string after(F&& edit) const {
    Grown g = *this;
    edit(g.grown);
    try {
      g.check();
    } catch (const check_error& e) {
      return e.what();
    }
    return "nothing was found";
  }
};
Grown grown(const Plan& p) {
  auto old = tiny::to_dict<float>(p.source(), tiny::random_state(p.source()));
  auto now = grow_weights(p, old);
  return Grown{.p = p, .old = std::move(old), .grown = std::move(now)};
}
bool says(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

float* floats(HostTensor& t) { return reinterpret_cast<float*>(t.bytes.data()); }

}  // namespace

TEST_CASE("the file check accepts every exact growth with no difference at all") {
  const auto s = tiny::schema(small);
  for (const Plan& p :
       {plan(s), plan(s, InsertBlocks{.every = 1}), plan(s, Net2Wider{.space = "ffn", .to = 13, .noise_db = 10}),
        plan(s, Net2Wider{.space = "hidden", .to = 18, .noise_db = 20}),
        plan(s, Net2Wider{.space = "text", .to = 7}, Net2Wider{.space = "ffn", .to = 9}, InsertBlocks{.count = 3},
             Net2Wider{.space = "hidden", .to = 12, .noise_db = 20},
             Net2Wider{.space = "ffn", .to = 29, .noise_db = 12})}) {
    const auto check = grown(p).check();
    CHECK(check.max_residual == 0);
    CHECK(check.tensors.size() == p.schema().parameters.size());
  }
}

TEST_CASE("parts of F64 may be off by what their sums round, and by no more") {
  const auto s = tiny::schema(small);
  const auto ffn = s.space("ffn").space.size;
  Grown g{.p = plan(s, Net2Wider{.space = "ffn", .to = 2 * ffn + 3}, Net2Wider{.space = "ffn", .to = 6 * ffn + 1}),
          .old = {},
          .grown = {}};
  g.old = tiny::to_dict<double>(s, tiny::random_state(s));
  g.grown = grow_weights(g.p, g.old);
  CHECK(g.check().max_residual < 1e-14);
  CHECK(says(g.after([](StateDict& d) {
    auto& t = d.at("blocks.0.mlp.fc2.weight");
    double x;
    std::memcpy(&x, t.bytes.data(), sizeof x);
    x += 1e-13;
    std::memcpy(t.bytes.data(), &x, sizeof x);
  }),
             "does not compute what it did"));
}

TEST_CASE("traps built wrong on purpose are caught") {
  const auto s = tiny::schema(small);
  const auto wide = grown(plan(s, Net2Wider{.space = "hidden", .to = 12}));
  const auto deep = grown(plan(s, InsertBlocks{.every = 1}));
  CHECK(wide.after([](StateDict&) {}) == "nothing was found");

  SECTION("a flat map over 3*heads*head_dim") {
    // Rows repeated one by one instead of heads within each of q, k and v.
    const auto text = wide.after([&](StateDict& d) {
      auto& t = d["blocks.0.attn.qkv.bias"];
      const auto source = wide.old.at("blocks.0.attn.qkv.bias");
      for (std::size_t i = 0; i < 24; ++i) std::memcpy(t.bytes.data() + 4 * i, source.bytes.data() + 4 * (i / 2), 4);
    });
    CHECK(says(text, "'blocks.0.attn.qkv.bias' does not compute what it did"));
  }
  SECTION("one map over all six rows of the modulation") {
    CHECK(says(wide.after([&](StateDict& d) {
      auto& t = d["t_block.bias"];
      const auto source = wide.old.at("t_block.bias");
      for (std::size_t i = 0; i < 72; ++i) std::memcpy(t.bytes.data() + 4 * i, source.bytes.data() + 4 * (i % 36), 4);
    }),
               "'t_block.bias'"));
  }
  SECTION("copies whose consumers are not divided") {
    CHECK(says(wide.after([&](StateDict& d) {
      auto& t = d["final.linear.weight"];
      for (std::size_t i = 0; i < 24; ++i) floats(t)[i] *= 2;
    }),
               "'final.linear.weight' does not compute what it did: W' E_in and E_out W differ by 1.0"));
  }
  SECTION("a split that is off in the last place") {
    CHECK(says(wide.after([&](StateDict& d) {
      auto& t = d["blocks.1.mlp.fc1.weight"];
      floats(t)[7] = std::nextafter(floats(t)[7], 10.f);
    }),
               "'blocks.1.mlp.fc1.weight'"));
  }
  SECTION("uneven copies under a norm") {
    // The same sizes, but unit 0 has seven copies.
    const auto lax = [&] {
      auto copy = s;
      for (auto& space : copy.spaces) space.rules.copies = Copies::any;
      return copy;
    }();
    Plan uneven(lax);
    SpaceMap m{.space = "hidden", .old_size = 6, .from = {}, .split = {}},
        h{.space = "heads", .old_size = 2, .from = {0, 0, 1, 1}, .split = std::vector<double>(4, 0.5)};
    for (std::int64_t i = 0; i < 12; ++i) m.from.push_back(i < 6 ? 0 : i - 6), m.split.push_back(i < 7 ? 1.0 / 7 : 1.0);
    uneven.remap({m, h});
    const auto wrong = grow_weights(uneven, wide.old);
    CHECK(says(wide.after([&](StateDict& d) { d = wrong; }), "does not compute what it did"));
    // Nor does a plan that was made without the rule slip through a check with it.
    auto forged = grown(uneven);
    CHECK(forged.check().max_residual == 0);
    auto text = to_json(uneven);
    CHECK_THROWS_AS(plan_from_json(text, s), plan_error);
  }
  SECTION("a closing bias that is not zero") {
    CHECK(says(deep.after([](StateDict& d) { floats(d["blocks.1.attn.proj.bias"])[3] = 1e-30f; }),
               "'blocks.1.attn.proj.bias' is not zero"));
    CHECK(says(deep.after([](StateDict& d) { floats(d["blocks.3.mlp.fc2.weight"])[3] = 1.f; }),
               "'blocks.3.mlp.fc2.weight' is not zero"));
    CHECK(says(deep.after([](StateDict& d) { floats(d["blocks.1.conv.weight"])[0] = 1.f; }),
               "'blocks.1.conv.weight' is not zero"));
  }
  SECTION("blocks in the wrong order") {
    CHECK(says(deep.after([](StateDict& d) { std::swap(d["blocks.0.mlp.fc1.weight"], d["blocks.2.mlp.fc1.weight"]); }),
               "fc1.weight' does not compute"));
  }
  SECTION("missing, surplus and changed tensors") {
    CHECK(says(deep.after([](StateDict& d) { d.erase("final.table"); }), "'final.table' is missing"));
    CHECK(says(deep.after([](StateDict& d) { d["extra"] = d["final.table"]; }), "the plan promised"));
    CHECK(says(deep.after([](StateDict& d) { floats(d["final.table"])[0] += 1; }), "'final.table'"));
    CHECK(says(deep.after([](StateDict& d) { floats(d["final.table"])[0] = NAN; }), "'final.table'"));
    CHECK(says(deep.after([](StateDict& d) {
      d["final.table"].shape = Shape{6, 2};
    }),
               "has shape [6, 2]; the plan promised [2, 6]"));
    CHECK(says(deep.after([](StateDict& d) { d["final.table"].dtype = DType::i32; }), "'final.table'"));
  }
  SECTION("a new layer that is open, or dead") {
    const tiny::Config plain;
    const auto added = grown(plan(tiny::schema(plain), tiny::AddCross{.text = 4}));
    CHECK(added.check().max_residual == 0);
    CHECK(says(
        added.after([](StateDict& d) { reinterpret_cast<double*>(d["blocks.0.cross.proj.bias"].bytes.data())[0] = 1; }),
        "'blocks.0.cross.proj.bias' is not zero"));
    CHECK(says(added.after([](StateDict& d) {
      for (auto& b : d["blocks.0.cross.q.weight"].bytes) b = std::byte{0};
    }),
               "no gradient would reach either"));
  }
}

TEST_CASE("wrong optimizer state is caught") {
  const auto s = tiny::schema(small);
  auto w = tiny::random_state(s);
  tiny::AdamW adam(s);
  for (int i = 0; i < 3; ++i) adam.step(w, tiny::gradient(small, w, i));
  const auto old = adam.save(s);
  const Plan p =
      plan(s, Net2Wider{.space = "ffn", .to = 7}, InsertBlocks{.at = {1}}, Net2Wider{.space = "hidden", .to = 18});
  const auto good = grow_optimizer(p, old);
  const auto check = [&](auto&& edit) -> std::string {
    auto d = good;
    edit(d);
    const auto a = modelgrow::detail::views_of(old), b = modelgrow::detail::views_of(d);
    try {
      check_optimizer(p, TensorSet(a, "old"), TensorSet(b, "grown"));
    } catch (const check_error& e) {
      return e.what();
    }
    return "nothing was found";
  };
  const auto at = [](StateDict& d, const char* name) -> double& {
    return *reinterpret_cast<double*>(d.at(name).bytes.data());
  };
  CHECK(check([](StateDict&) {}) == "nothing was found");
  CHECK(says(check([&](StateDict& d) { at(d, "adamw.m.blocks.0.mlp.fc1.weight") *= 1.001; }),
             "adamw.m.blocks.0.mlp.fc1.weight"));
  CHECK(says(check([&](StateDict& d) { at(d, "adamw.v.blocks.2.attn.qkv.bias") *= 1.001; }),
             "adamw.v.blocks.2.attn.qkv.bias"));
  CHECK(says(check([&](StateDict& d) { at(d, "adamw.v.blocks.1.attn.qkv.bias") = 1e-9; }), "its parameter is new"));
  CHECK(says(check([&](StateDict& d) { at(d, "adamw.step.blocks.1.attn.qkv.bias") = 3; }), "its parameter is new"));
  CHECK(says(check([&](StateDict& d) { at(d, "adamw.step.blocks.2.attn.qkv.bias") = 4; }), "differs from"));
  CHECK(says(check([&](StateDict& d) { d.erase("adamw.m.final.table"); }), "'adamw.m.final.table' is missing"));
}
