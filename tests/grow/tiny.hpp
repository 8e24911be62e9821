// SPDX-License-Identifier: MIT
// A diffusion transformer small enough to differentiate number by number: adaLN-single gates, fused qkv, LayerNorm, a
// table that only block 0 receives. Its forward knows nothing of the library; its schema is all that growth sees.
#pragma once
#include <cmath>
#include <cstring>
#include <map>
#include <modelgrow/core/rng.hpp>
#include <modelgrow/grow/elements.hpp>
#include <modelgrow/grow/plan.hpp>
#include <modelgrow/grow/state.hpp>
#include <string>
#include <vector>

namespace tiny {
using namespace modelgrow;

struct Config {
  std::int64_t hidden = 6, heads = 2, head_dim = 2, ffn = 5, depth = 2, text = 0;  // text > 0: second cross-attention
  bool conv = false;
  std::size_t active = 2;  // experts that see a token, where the perceptrons are mixtures
};
inline constexpr std::int64_t tokens = 4, channels = 3, words = 2;

inline Schema schema(const Config& c);

/// The configuration of a grown schema.
inline Config config_of(const Schema& s) {
  Config c{.hidden = s.space("hidden").space.size,
           .heads = s.space("heads").space.size,
           .ffn = s.space("ffn").space.size,
           .depth = s.stack("blocks").count};
  c.head_dim = s.find("blocks.0.attn.qkv.weight")->shape()[0] / (3 * c.heads);
  c.conv = s.find("blocks.0.conv.weight") != nullptr;
  if (const auto* p = s.find("text_embedder.weight")) c.text = p->shape()[1];
  return c;
}

inline Schema schema(const Config& c) {
  const Extent hidden = Space{.name = "hidden", .size = c.hidden}, ffn = Space{.name = "ffn", .size = c.ffn};
  const Extent attn = Extent(Space{.name = "heads", .size = c.heads}) * Extent(c.head_dim);
  Schema s;
  s.family = "tiny";
  const auto put = [&](std::string name, Axes axes, Init init, Purpose purpose = Purpose::weight) {
    s.parameters.push_back(ParamSpec{.name = std::move(name),
                                     .dtype = DType::f64,
                                     .info = ParamInfo{.axes = std::move(axes), .init = init, .purpose = purpose}});
  };
  const auto linear = [&](const std::string& name, const Extent& rows, const Axis& columns,
                          Purpose p = Purpose::weight) {
    const bool closes = p == Purpose::closes;
    put(name + ".weight", {out(rows), columns}, closes ? Init::zeros() : Init::xavier(), p);
    put(name + ".bias", {out(rows)}, Init::zeros(), p);
  };
  put("pos", {fixed(tokens), each(hidden)}, Init::normal(1), Purpose::buffer);
  linear("x_embedder", hidden, fixed(channels));
  linear("t_embedder", hidden, fixed(2));
  linear("t_block", 6 * hidden, in(hidden));
  if (c.text) linear("text_embedder", hidden, in(Space{.name = "text", .size = c.text}));
  for (std::int64_t i = 0; i < c.depth; ++i) {
    const std::string b = "blocks." + std::to_string(i) + ".";
    put(b + "scale_shift_table", {fixed(6), each(hidden)}, Init::normal(0.3));
    linear(b + "attn.qkv", 3 * attn, in(hidden));
    linear(b + "attn.proj", hidden, in(attn), Purpose::closes);
    if (c.conv) {
      put(b + "conv.weight", {each(hidden), fixed(1), fixed(3)}, Init::zeros(), Purpose::closes);
      put(b + "conv.bias", {each(hidden)}, Init::zeros(), Purpose::closes);
    }
    if (c.text) {
      linear(b + "cross.q", attn, in(hidden));
      linear(b + "cross.kv", 2 * attn, in(hidden));
      linear(b + "cross.proj", hidden, in(attn), Purpose::closes);
    }
    linear(b + "mlp.fc1", ffn, in(hidden));
    linear(b + "mlp.fc2", hidden, in(ffn), Purpose::closes);
  }
  put("final.table", {fixed(2), each(hidden)}, Init::normal(0.3));
  linear("final.linear", 2, in(hidden));
  s.stacks.push_back(
      StackSpec{.name = "blocks",
                .count = c.depth,
                .rules = {.first_insertion = 1, .because = "only block 0 receives the table of positions"}});
  s.spaces.push_back(SpaceSpec{.space = {.name = "hidden", .size = c.hidden},
                               .rules = {.copies = Copies::uniform, .because = "LayerNorm runs across it"}});
  s.spaces.push_back(SpaceSpec{.space = {.name = "heads", .size = c.heads}, .rules = {.tied_to = "hidden"}});
  s.spaces.push_back(SpaceSpec{.space = {.name = "ffn", .size = c.ffn}, .rules = {}});
  if (c.text) s.spaces.push_back(SpaceSpec{.space = {.name = "text", .size = c.text}, .rules = {}});
  return s;
}

/// What an operator does that adds a layer: the parameters that the model has with it and not without.
inline void add_layer(Plan& plan, const std::string& branch, const Config& with, std::uint64_t seed = 0) {
  const Schema now = plan.schema(), then = schema(with);
  std::vector<ParamSpec> parameters;
  std::vector<SpaceSpec> spaces;
  for (auto p : then.parameters)
    if (!now.find(p.name)) {
      p.dtype = now.parameters[0].dtype;
      p.info.stream.branch = branch;
      parameters.push_back(std::move(p));
    }
  for (const auto& s : then.spaces)
    if (std::none_of(now.spaces.begin(), now.spaces.end(), [&](const auto& o) { return o.space.name == s.space.name; }))
      spaces.push_back(s);
  plan.add(std::move(parameters), std::move(spaces), seed);
}
/// A depthwise convolution over tokens.
struct AddConv {
  static constexpr std::string_view name = "AddConv";
  void apply(Plan& plan) const {
    Config with = config_of(plan.schema());
    with.conv = true;
    add_layer(plan, "conv", with);
  }
};
/// A cross-attention to states of this width.
struct AddCross {
  static constexpr std::string_view name = "AddCross";
  std::int64_t text = 0;
  std::uint64_t seed = 0;
  void apply(Plan& plan) const {
    Config with = config_of(plan.schema());
    with.text = text;
    add_layer(plan, "cross", with, seed);
  }
};

/// Parameters as numbers of type S (double, float, or Var for gradients).
template <class S>
using State = std::map<std::string, std::vector<S>, std::less<>>;

template <class S>
double number_of(const S& x) {
  return double(x);
}

template <class S>
struct Model {
  Config c;
  const State<S>& w;
  using Rows = std::vector<std::vector<S>>;

  const std::vector<S>& get(const std::string& n) const { return w.find(n)->second; }
  std::vector<S> linear(const std::string& n, const std::vector<S>& x) const {
    const auto &m = get(n + ".weight"), &b = get(n + ".bias");
    std::vector<S> y = b;
    for (std::size_t i = 0; i < y.size(); ++i)
      for (std::size_t j = 0; j < x.size(); ++j) y[i] = y[i] + m[i * x.size() + j] * x[j];
    return y;
  }
  static S act(const S& x) {  // GELU, tanh form
    using std::tanh;
    return S(0.5) * x * (S(1) + tanh(S(0.7978845608) * (x + S(0.044715) * x * x * x)));
  }
  static std::vector<S> norm(const std::vector<S>& x) {
    using std::sqrt;
    const S n = S(double(x.size()));
    S mean = S(0), var = S(0);
    for (const auto& v : x) mean = mean + v / n;
    for (const auto& v : x) var = var + (v - mean) * (v - mean) / n;
    std::vector<S> y;
    for (const auto& v : x) y.push_back((v - mean) / sqrt(var + S(1e-6)));
    return y;
  }
  /// Row `row` of a table plus row `row` of the shared modulation.
  std::vector<S> modulation(const std::vector<S>& table, const std::vector<S>& shared, std::size_t row,
                            std::size_t shared_row) const {
    std::vector<S> y;
    const auto d = std::size_t(c.hidden);
    for (std::size_t i = 0; i < d; ++i) y.push_back(table[row * d + i] + shared[shared_row * d + i]);
    return y;
  }
  static std::vector<S> modulate(const std::vector<S>& x, const std::vector<S>& shift, const std::vector<S>& scale) {
    std::vector<S> y;
    for (std::size_t i = 0; i < x.size(); ++i) y.push_back(x[i] * (S(1) + scale[i]) + shift[i]);
    return y;
  }
  Rows attention(const Rows& q, const Rows& k, const Rows& v) const {
    using std::exp, std::sqrt;
    const auto h = std::size_t(c.heads), d = std::size_t(c.head_dim);
    Rows out(q.size(), std::vector<S>(h * d, S(0)));
    for (std::size_t a = 0; a < h; ++a)
      for (std::size_t i = 0; i < q.size(); ++i) {
        std::vector<S> e;
        S total = S(0);
        for (const auto& key : k) {
          S dot = S(0);
          for (std::size_t x = a * d; x < (a + 1) * d; ++x) dot = dot + q[i][x] * key[x];
          e.push_back(exp(dot / S(std::sqrt(double(d)))));
          total = total + e.back();
        }
        for (std::size_t j = 0; j < k.size(); ++j)
          for (std::size_t x = a * d; x < (a + 1) * d; ++x) out[i][x] = out[i][x] + e[j] / total * v[j][x];
      }
    return out;
  }
  static std::vector<S> part(const std::vector<S>& x, std::size_t chunk, std::size_t chunks) {
    const auto n = std::ptrdiff_t(x.size() / chunks);
    return std::vector<S>(x.begin() + n * std::ptrdiff_t(chunk), x.begin() + n * std::ptrdiff_t(chunk + 1));
  }
  static void add(std::vector<S>& x, const std::vector<S>& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] + y[i];
  }
  static std::vector<S> times(std::vector<S> x, const std::vector<S>& y) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] * y[i];
    return x;
  }

  Rows operator()(int sample) const {
    Rows x;
    for (std::int64_t i = 0; i < tokens; ++i) {
      std::vector<S> in;
      for (int k = 0; k < channels; ++k) in.push_back(S(std::sin(1.3 * k + 2.1 * double(i) + 0.7 * sample)));
      x.push_back(linear("x_embedder", in));
    }
    auto t = linear("t_embedder", {S(std::cos(0.4 + sample)), S(std::sin(0.9 - sample))});
    for (auto& v : t) v = act(v);
    const auto shared = linear("t_block", t);
    Rows text;
    for (std::int64_t k = 0; c.text && k < words; ++k) {
      std::vector<S> in;
      for (std::int64_t j = 0; j < c.text; ++j) in.push_back(S(std::cos(double(j) * 1.1 + double(k) + sample)));
      text.push_back(linear("text_embedder", in));
    }
    for (std::int64_t i = 0; i < c.depth; ++i) block("blocks." + std::to_string(i) + ".", i, x, shared, text);
    Rows y;
    const auto& table = get("final.table");
    for (const auto& row : x) {
      const auto shift = modulation(table, t, 0, 0), scale = modulation(table, t, 1, 0);
      y.push_back(linear("final.linear", modulate(norm(row), shift, scale)));
    }
    return y;
  }

  void block(const std::string& b, std::int64_t number, Rows& x, const std::vector<S>& shared, const Rows& text) const {
    const auto& table = get(b + "scale_shift_table");
    const auto mod = [&](std::size_t r) { return modulation(table, shared, r, r); };
    Rows q, k, v;
    for (std::size_t i = 0; i < x.size(); ++i) {
      auto in = modulate(norm(x[i]), mod(0), mod(1));
      if (number == 0) add(in, part(get("pos"), i, tokens));
      const auto qkv = linear(b + "attn.qkv", in);
      q.push_back(part(qkv, 0, 3)), k.push_back(part(qkv, 1, 3)), v.push_back(part(qkv, 2, 3));
    }
    const Rows mixed = attention(q, k, v);
    for (std::size_t i = 0; i < x.size(); ++i) add(x[i], times(linear(b + "attn.proj", mixed[i]), mod(2)));
    if (c.conv) {
      const Rows old = x;
      const auto &kernel = get(b + "conv.weight"), &bias = get(b + "conv.bias");
      for (std::size_t i = 0; i < x.size(); ++i)
        for (std::size_t d = 0; d < x[i].size(); ++d) {
          x[i][d] = x[i][d] + bias[d];
          for (std::size_t tap = 0; tap < 3; ++tap)
            if (i + tap >= 1 && i + tap - 1 < x.size()) x[i][d] = x[i][d] + kernel[d * 3 + tap] * old[i + tap - 1][d];
        }
    }
    if (c.text) {
      Rows cq, ck, cv;
      for (const auto& row : x) cq.push_back(linear(b + "cross.q", row));
      for (const auto& row : text) {
        const auto kv = linear(b + "cross.kv", row);
        ck.push_back(part(kv, 0, 2)), cv.push_back(part(kv, 1, 2));
      }
      const Rows crossed = attention(cq, ck, cv);
      for (std::size_t i = 0; i < x.size(); ++i) add(x[i], linear(b + "cross.proj", crossed[i]));
    }
    for (auto& row : x) add(row, times(feed_forward(b + "mlp", modulate(norm(row), mod(3), mod(4))), mod(5)));
  }

  std::vector<S> perceptron(const std::string& n, const std::vector<S>& x) const {
    auto h = linear(n + ".fc1", x);
    for (auto& u : h) u = act(u);
    return linear(n + ".fc2", h);
  }
  /// A perceptron, or where there is a router, `active` of the experts, by the softmax over their logits.
  std::vector<S> feed_forward(const std::string& n, const std::vector<S>& x) const {
    using std::exp;
    const auto router = w.find(n + ".router.weight");
    if (router == w.end()) return perceptron(n, x);
    std::vector<std::pair<S, std::string>> experts;
    for (std::size_t e = 0; e * x.size() < router->second.size(); ++e) {
      S logit = S(0);
      for (std::size_t j = 0; j < x.size(); ++j) logit = logit + router->second[e * x.size() + j] * x[j];
      experts.emplace_back(logit, n + ".experts." + std::to_string(e));
    }
    std::stable_sort(experts.begin(), experts.end(),
                     [](const auto& a, const auto& b) { return number_of(a.first) > number_of(b.first); });
    experts.resize(c.active);
    const S most = experts[0].first;
    S total = S(0);
    for (auto& [logit, name] : experts) logit = exp(logit - most), total = total + logit;
    std::vector<S> y(x.size(), S(0));
    for (const auto& [weight, name] : experts) {
      const auto part = perceptron(name, x);
      for (std::size_t i = 0; i < y.size(); ++i) y[i] = y[i] + weight / total * part[i];
    }
    return y;
  }
};

/// A double that remembers how it was made.
struct Var {
  double v = 0;
  std::int64_t id = -1;
  Var(double x = 0) : v(x) {}
  struct Node {
    std::int64_t a, b;
    double da, db;
  };
  static inline std::vector<Node> tape = {};
  static Var make(double x, const Var& a, double da, const Var& b = Var(), double db = 0) {
    Var r(x);
    r.id = std::int64_t(tape.size());
    tape.push_back(Node{a.id, b.id, da, db});
    return r;
  }
  friend Var operator+(const Var& a, const Var& b) { return make(a.v + b.v, a, 1, b, 1); }
  friend Var operator-(const Var& a, const Var& b) { return make(a.v - b.v, a, 1, b, -1); }
  friend Var operator*(const Var& a, const Var& b) { return make(a.v * b.v, a, b.v, b, a.v); }
  friend Var operator/(const Var& a, const Var& b) { return make(a.v / b.v, a, 1 / b.v, b, -a.v / (b.v * b.v)); }
  friend double number_of(const Var& a) { return a.v; }
  friend Var exp(const Var& a) { return make(std::exp(a.v), a, std::exp(a.v)); }
  friend Var sqrt(const Var& a) { return make(std::sqrt(a.v), a, 0.5 / std::sqrt(a.v)); }
  friend Var tanh(const Var& a) { return make(std::tanh(a.v), a, 1 - std::tanh(a.v) * std::tanh(a.v)); }
};

inline std::vector<double> forward(const Config& c, const State<double>& w, int samples = 2) {
  std::vector<double> y;
  for (int s = 0; s < samples; ++s)
    for (const auto& row : Model<double>{c, w}(s)) y.insert(y.end(), row.begin(), row.end());
  return y;
}
inline std::vector<double> forward_float(const Config& c, const State<double>& w) {
  State<float> narrow;
  for (const auto& [n, v] : w) narrow[n].assign(v.begin(), v.end());
  std::vector<double> y;
  for (int s = 0; s < 2; ++s)
    for (const auto& row : Model<float>{c, narrow}(s)) y.insert(y.end(), row.begin(), row.end());
  return y;
}

/// What a loss says about the numbers that it was made of.
inline State<double> gradients_of(const Var& loss, const State<Var>& vars) {
  std::vector<double> g(Var::tape.size(), 0.0);
  g[std::size_t(loss.id)] = 1;
  for (std::size_t i = Var::tape.size(); i-- > 0;) {
    const auto& node = Var::tape[i];
    if (node.a >= 0) g[std::size_t(node.a)] += g[i] * node.da;
    if (node.b >= 0) g[std::size_t(node.b)] += g[i] * node.db;
  }
  State<double> r;
  for (const auto& [n, v] : vars)
    for (const auto& x : v) r[n].push_back(g[std::size_t(x.id)]);
  return r;
}

/// Gradients of a fixed scalar of the output, by reverse accumulation.
inline State<double> gradient(const Config& c, const State<double>& w, int sample) {
  Var::tape.clear();
  State<Var> vars;
  for (const auto& [n, v] : w)
    for (double x : v) vars[n].push_back(Var::make(x, Var(), 0));
  Var loss(0);
  int k = 0;
  for (const auto& row : Model<Var>{c, vars}(sample))
    for (const auto& y : row) {
      loss = loss + y * y * Var(0.5) + y * Var(std::sin(1.0 + k + sample));
      ++k;
    }
  return gradients_of(loss, vars);
}

/// Random parameters, none of them zero.
inline State<double> random_state(const Schema& s, std::uint64_t seed = 1) {
  State<double> w;
  for (const auto& p : s.parameters) {
    const Rng rng(seed, hash_name(p.name));
    for (std::int64_t i = 0; i < numel(p.shape()); ++i) w[p.name].push_back(0.4 * rng.normal(std::uint64_t(i)));
  }
  return w;
}

template <Element T>
StateDict to_dict(const Schema& s, const State<double>& w) {
  StateDict d;
  for (const auto& p : s.parameters) {
    HostTensor t{.dtype = dtype_of<T>, .shape = p.shape(), .bytes = {}};
    for (double x : w.find(p.name)->second) {
      const T stored = modelgrow::element_cast<T>(x);
      const auto* b = reinterpret_cast<const std::byte*>(&stored);
      t.bytes.insert(t.bytes.end(), b, b + sizeof(T));
    }
    d[p.name] = std::move(t);
  }
  return d;
}

inline std::vector<double> numbers(const HostTensor& t) {
  std::vector<double> v;
  const auto read = [&]<Element T>(T) {
    for (std::size_t i = 0; i < t.bytes.size() / sizeof(T); ++i)
      v.push_back(modelgrow::detail::stored<T>(t.bytes.data(), std::int64_t(i)));
  };
  switch (t.dtype) {
    case DType::f64:
      read(double{});
      break;
    case DType::f32:
      read(float{});
      break;
    case DType::f16:
      read(f16{});
      break;
    case DType::bf16:
      read(bf16{});
      break;
    default:
      break;
  }
  return v;
}
inline State<double> from_dict(const StateDict& d) {
  State<double> w;
  for (const auto& [n, t] : d) w[n] = numbers(t);
  return w;
}

/// Largest difference, relative to the largest value of the first.
inline double distance(const std::vector<double>& a, const std::vector<double>& b) {
  if (a.size() != b.size()) return INFINITY;
  double scale = 0, most = 0;
  for (double x : a) scale = std::max(scale, std::abs(x));
  for (std::size_t i = 0; i < a.size(); ++i) most = std::max(most, std::isnan(b[i]) ? INFINITY : std::abs(a[i] - b[i]));
  return scale > 0 ? most / scale : most;
}

}  // namespace tiny
