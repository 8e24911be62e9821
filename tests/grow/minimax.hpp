// SPDX-License-Identifier: MIT
// MiniMax-H3 (diffusers, transformer_minimax_h3.py) number by number: a refiner, RMSNorms everywhere, per-head norms of
// queries and keys, rotary positions on a part of the head, modulation by kind of token, SwiGLU. Sizes follow from the
// tensors; nothing of the library but the schema is used.
#pragma once
#include <modelgrow/families/all.hpp>

#include "tests/support/releases.hpp"
#include "tiny.hpp"

namespace minimax {
using namespace modelgrow;
using tiny::State, tiny::Var;

inline testing::Release release() {
  for (const auto& r : testing::releases("minimax_h3"))
    if (r.tiny()) return r;
  throw format_error("no tiny release of minimax_h3");
}
/// The schema of the tiny release, in double.
inline Schema schema(const std::string& config = release().config) {
  const auto r = release();
  const Names names(r.tensors, r.name);
  Schema s = family_of(names, config, r.name).schema(names, config, r.name);
  for (auto& p : s.parameters) p.dtype = DType::f64;
  return s;
}

template <class S>
struct Model {
  using Row = std::vector<S>;
  using Rows = std::vector<Row>;
  const Schema& s;
  const State<S>& w;
  double qk_eps = 1e-5;
  std::size_t rotated = 2;  // frequencies of each axis

  const Row& get(const std::string& n) const { return w.find(n)->second; }
  double eps(const std::string& key) const {
    for (const auto& e : s.epsilons)
      if (e.key == key) return e.value;
    return key == "qk_norm_eps" ? qk_eps : 1e-5;
  }
  Row linear(const std::string& n, const Row& x) const {
    const auto& m = get(n + ".weight");
    const auto bias = w.find(n + ".bias");
    Row y = bias == w.end() ? Row(m.size() / x.size(), S(0)) : bias->second;
    for (std::size_t i = 0; i < y.size(); ++i)
      for (std::size_t j = 0; j < x.size(); ++j) y[i] = y[i] + m[i * x.size() + j] * x[j];
    return y;
  }
  Row norm(const std::string& n, const Row& x, double e) const {
    using std::sqrt;
    S square = S(0);
    for (const auto& v : x) square = square + v * v / S(double(x.size()));
    const auto& gain = get(n + ".weight");
    Row y;
    for (std::size_t i = 0; i < x.size(); ++i) y.push_back(gain[i] * x[i] / sqrt(square + S(e)));
    return y;
  }
  static Row silu(Row x) {
    using std::exp;
    for (auto& v : x) v = v / (S(1) + exp(S(0) - v));
    return x;
  }
  static Row part(const Row& x, std::size_t chunk, std::size_t chunks) {
    const auto n = std::ptrdiff_t(x.size() / chunks);
    return Row(x.begin() + n * std::ptrdiff_t(chunk), x.begin() + n * std::ptrdiff_t(chunk + 1));
  }
  static Row modulate(Row x, const Row& shift, const Row& scale) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] * (S(1) + scale[i]) + shift[i];
    return x;
  }
  static void add(Row& x, const Row& y, const Row* gate = nullptr) {
    for (std::size_t i = 0; i < x.size(); ++i) x[i] = x[i] + (gate ? (*gate)[i] * y[i] : y[i]);
  }
  /// Channel j turns with channel j + 3 * rotated, by the positions along three axes.
  void rotate(S* x, std::size_t position) const {
    const std::size_t n = 3 * rotated;
    for (std::size_t j = 0; j < n; ++j) {
      const double frequency = std::pow(10000.0, -double(j % rotated) / double(rotated));
      const double angle = double((position + j / rotated) % 3 + position) * frequency;
      const S a = x[j], b = x[j + n];
      x[j] = a * S(std::cos(angle)) - b * S(std::sin(angle));
      x[j + n] = b * S(std::cos(angle)) + a * S(std::sin(angle));
    }
  }
  Rows attention(const std::string& b, const Rows& x, bool rotary) const {
    using std::exp;
    const std::size_t d = get(b + "norm_q.weight").size();
    Rows q, k, v, y;
    for (std::size_t i = 0; i < x.size(); ++i) {
      q.push_back(linear(b + "to_q", x[i])), k.push_back(linear(b + "to_k", x[i])),
          v.push_back(linear(b + "to_v", x[i]));
      for (auto [rows, name] : {std::pair{&q, "norm_q"}, {&k, "norm_k"}})
        for (std::size_t h = 0; h < rows->back().size(); h += d) {
          const auto at = rows->back().begin() + std::ptrdiff_t(h);
          const Row head = norm(b + name, Row(at, at + std::ptrdiff_t(d)), eps("qk_norm_eps"));
          std::copy(head.begin(), head.end(), at);
          if (rotary) rotate(&*at, i);
        }
    }
    for (std::size_t i = 0; i < x.size(); ++i) {
      Row mixed(q[i].size(), S(0));
      for (std::size_t h = 0; h < mixed.size(); h += d) {
        Row e;
        S total = S(0);
        for (const auto& key : k) {
          S dot = S(0);
          for (std::size_t c = h; c < h + d; ++c) dot = dot + q[i][c] * key[c];
          e.push_back(exp(dot / S(std::sqrt(double(d)))));
          total = total + e.back();
        }
        for (std::size_t j = 0; j < x.size(); ++j)
          for (std::size_t c = h; c < h + d; ++c) mixed[c] = mixed[c] + e[j] / total * v[j][c];
      }
      y.push_back(linear(b + "to_out.0", mixed));
    }
    return y;
  }
  Row swiglu(const std::string& b, const Row& x) const {
    const Row both = linear(b + "net.0.proj", x), gate = silu(part(both, 1, 2));
    Row value = part(both, 0, 2);
    for (std::size_t i = 0; i < value.size(); ++i) value[i] = value[i] * gate[i];
    return linear(b + "net.2", value);
  }
  Row input(const std::string& layer, double phase) const {
    const std::size_t n = get(layer + ".weight").size() / get(layer + ".bias").size();
    Row x;
    for (std::size_t i = 0; i < n; ++i) x.push_back(S(std::sin(phase + 1.7 * double(i))));
    return linear(layer, x);
  }

  /// Two text tokens, two of video, one of audio.
  Row operator()(double time) const {
    Rows x{input("context_embedder", 0.3), input("context_embedder", 1.1)};
    const auto blocks = [&](const std::string& stack) { return std::size_t(s.stack(stack).count); };
    for (std::size_t i = 0; i < blocks("token_refiner.refiner_blocks"); ++i) {
      const std::string b = "token_refiner.refiner_blocks." + std::to_string(i) + ".";
      Rows h;
      for (const auto& row : x) h.push_back(norm(b + "norm1", row, eps("norm_eps")));
      h = attention(b + "attn.", h, false);
      for (std::size_t r = 0; r < x.size(); ++r) {
        add(x[r], h[r]);
        add(x[r], swiglu(b + "ff.", norm(b + "norm2", x[r], eps("norm_eps"))));
      }
    }
    for (auto& row : x) row = norm("token_refiner.final_norm", row, eps("final_norm_eps"));
    x.push_back(input("proj_in", 0.7)), x.push_back(input("proj_in", 2.9)), x.push_back(input("audio_proj_in", 1.9));
    const std::size_t kind[] = {1, 1, 0, 0, 2};
    Row features;
    for (std::size_t i = 0; i < get("time_embedder.linear_1.weight").size() / get("time_embedder.linear_1.bias").size();
         ++i)
      features.push_back(S(std::cos(time * std::pow(0.7, double(i)))));
    const Row t = silu(linear("time_embedder.linear_2", silu(linear("time_embedder.linear_1", features))));
    for (std::size_t i = 0; i < blocks("transformer_blocks"); ++i) {
      const std::string b = "transformer_blocks." + std::to_string(i) + ".";
      const Row table = linear(b + "adaln_proj.linear", t);
      const auto mod = [&](std::size_t r, std::size_t which) { return part(table, 6 * kind[r] + which, 18); };
      Rows h;
      for (std::size_t r = 0; r < x.size(); ++r)
        h.push_back(modulate(norm(b + "norm1", x[r], eps("norm_eps")), mod(r, 0), mod(r, 1)));
      h = attention(b + "attn.", h, true);
      for (std::size_t r = 0; r < x.size(); ++r) {
        const Row gate = mod(r, 2), second = mod(r, 5);
        add(x[r], h[r], &gate);
        add(x[r], swiglu(b + "ff.", modulate(norm(b + "norm2", x[r], eps("norm_eps")), mod(r, 3), mod(r, 4))), &second);
      }
    }
    const Row last = linear("norm_out.linear", t);
    Row y;
    for (std::size_t r = 2; r < x.size(); ++r) {
      const Row z = modulate(norm("norm_out.norm", x[r], eps("final_norm_eps")), part(last, 0, 2), part(last, 1, 2));
      const Row out = linear(r < 4 ? "proj_out" : "audio_proj_out", z);
      y.insert(y.end(), out.begin(), out.end());
    }
    return y;
  }
};

inline std::vector<double> forward(const Schema& s, const State<double>& w) {
  auto y = Model<double>{s, w}(0.3);
  const auto more = Model<double>{s, w}(0.8);
  y.insert(y.end(), more.begin(), more.end());
  return y;
}

/// Gradients of a fixed scalar of the output.
inline State<double> gradient(const Schema& s, const State<double>& w) {
  Var::tape.clear();
  State<Var> vars;
  for (const auto& [n, v] : w)
    for (double x : v) vars[n].push_back(Var::make(x, Var(), 0));
  Var loss(0);
  int k = 0;
  for (const auto& y : Model<Var>{s, vars}(0.3)) loss = loss + y * y * Var(0.5) + y * Var(std::sin(1.0 + k++));
  return tiny::gradients_of(loss, vars);
}

inline State<double> grown(const Plan& p, const State<double>& w) {
  return tiny::from_dict(grow_weights(p, tiny::to_dict<double>(p.source(), w)));
}
/// How far the output moves, where the grown model runs as `as` describes it.
inline double change(const Plan& p, const State<double>& w, const Schema& as) {
  return tiny::distance(forward(p.source(), w), forward(as, grown(p, w)));
}

}  // namespace minimax
