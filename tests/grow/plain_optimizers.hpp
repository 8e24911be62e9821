// SPDX-License-Identifier: MIT
// Optimizers in double, each written from its paper and the documentation of the package that is named, without
// anything of the library: what the rules of grow/optimizers/ are held to.
#pragma once
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <modelgrow/core/dtype.hpp>
#include <modelgrow/core/shape.hpp>
#include <string>
#include <vector>

namespace plain {
using modelgrow::Shape;
using Numbers = std::vector<double>;

/// One parameter as its optimizer sees it: weights, gradient, state by entry, and by element the factors on the
/// settings of its group.
struct Slot {
  Shape shape;
  Numbers& w;
  Numbers g;
  std::map<std::string, Numbers>& state;
  Numbers rate, epsilon, decay;

  std::size_t size() const { return w.size(); }
  bool matrix() const { return shape.rank() >= 2; }
  /// An entry; at first zeros.
  Numbers& get(const char* entry, std::size_t n, double start = 0) {
    return state.try_emplace(entry, Numbers(n, start)).first->second;
  }
  Numbers& get(const char* entry) { return get(entry, size()); }
  double count(const char* entry = "step") { return ++get(entry, 1)[0]; }
};

struct Settings {
  double rate = 0.01, beta1 = 0.9, beta2 = 0.99, epsilon = 1e-3, decay = 0.05;
};

/// The optimizer of a group; what the group counts is copied with it.
struct Group {
  Settings s;
  virtual ~Group() = default;
  virtual void step(std::vector<Slot>& slots) {
    for (auto& p : slots) update(p);
  }
  virtual void update(Slot&) {}
  virtual std::unique_ptr<Group> clone() const = 0;

 protected:
  /// Decay into the gradient.
  void couple(Slot& p) const {
    for (std::size_t i = 0; i < p.size(); ++i) p.g[i] += s.decay * p.decay[i] * p.w[i];
  }
  /// Decay beside the step, by the rate that the step has.
  void shrink(Slot& p) const {
    for (std::size_t i = 0; i < p.size(); ++i) p.w[i] *= 1 - s.rate * p.rate[i] * s.decay * p.decay[i];
  }
};
template <class G>
struct GroupOf : Group {
  std::unique_ptr<Group> clone() const override { return std::make_unique<G>(static_cast<const G&>(*this)); }
};
/// A group as a value.
class AnyGroup {
 public:
  AnyGroup(std::unique_ptr<Group> g) : group_(std::move(g)) {}
  AnyGroup(const AnyGroup& other) : group_(other.group_->clone()) {}
  Group* operator->() { return group_.get(); }

 private:
  std::unique_ptr<Group> group_;
};

inline void average(double& mean, double x, double beta) { mean = beta * mean + (1 - beta) * x; }
inline double rms(const Numbers& x) {
  double sum = 0;
  for (double v : x) sum += v * v;
  return std::sqrt(sum / double(x.size()));
}

/// torch.optim.Adam and AdamW, with and without amsgrad; the entries as they are called in a file.
struct Adam : GroupOf<Adam> {
  bool decoupled = false, amsgrad = false;
  const char *first = "exp_avg", *second = "exp_avg_sq";
  void update(Slot& p) override {
    decoupled ? shrink(p) : couple(p);
    const double t = p.count();
    auto &m = p.get(first), &v = p.get(second);
    for (std::size_t i = 0; i < p.size(); ++i) {
      average(m[i], p.g[i], s.beta1);
      average(v[i], p.g[i] * p.g[i], s.beta2);
      double square = v[i];
      if (amsgrad) square = p.get("max_exp_avg_sq")[i] = std::max(p.get("max_exp_avg_sq")[i], v[i]);
      const double root = std::sqrt(square / (1 - std::pow(s.beta2, t))) + s.epsilon * p.epsilon[i];
      p.w[i] -= s.rate * p.rate[i] * m[i] / (1 - std::pow(s.beta1, t)) / root;
    }
  }
};

/// torch.optim.NAdam.
struct NAdam : GroupOf<NAdam> {
  void update(Slot& p) override {
    couple(p);
    const double t = p.count();
    const auto mu = [&](double step) { return s.beta1 * (1 - 0.5 * std::pow(0.96, step * 4e-3)); };
    double& product = p.get("mu_product", 1, 1)[0];
    product *= mu(t);
    auto &m = p.get("exp_avg"), &v = p.get("exp_avg_sq");
    for (std::size_t i = 0; i < p.size(); ++i) {
      average(m[i], p.g[i], s.beta1);
      average(v[i], p.g[i] * p.g[i], s.beta2);
      const double root = std::sqrt(v[i] / (1 - std::pow(s.beta2, t))) + s.epsilon * p.epsilon[i];
      const double now = (1 - mu(t)) / (1 - product) * p.g[i], next = mu(t + 1) / (1 - product * mu(t + 1)) * m[i];
      p.w[i] -= s.rate * p.rate[i] * (now + next) / root;
    }
  }
};

/// torch.optim.RAdam.
struct RAdam : GroupOf<RAdam> {
  void update(Slot& p) override {
    couple(p);
    const double t = p.count(), b2t = std::pow(s.beta2, t);
    const double most = 2 / (1 - s.beta2) - 1, rho = most - 2 * t * b2t / (1 - b2t);
    auto &m = p.get("exp_avg"), &v = p.get("exp_avg_sq");
    for (std::size_t i = 0; i < p.size(); ++i) {
      average(m[i], p.g[i], s.beta1);
      average(v[i], p.g[i] * p.g[i], s.beta2);
      double step = m[i] / (1 - std::pow(s.beta1, t));
      if (rho > 5) {
        step *= std::sqrt((rho - 4) * (rho - 2) * most / ((most - 4) * (most - 2) * rho));
        step *= std::sqrt(1 - b2t) / (std::sqrt(v[i]) + s.epsilon * p.epsilon[i]);
      }
      p.w[i] -= s.rate * p.rate[i] * step;
    }
  }
};

/// torch.optim.Adamax.
struct Adamax : GroupOf<Adamax> {
  void update(Slot& p) override {
    couple(p);
    const double t = p.count();
    auto &m = p.get("exp_avg"), &most = p.get("exp_inf");
    for (std::size_t i = 0; i < p.size(); ++i) {
      average(m[i], p.g[i], s.beta1);
      most[i] = std::max(s.beta2 * most[i], std::abs(p.g[i]) + s.epsilon * p.epsilon[i]);
      p.w[i] -= s.rate * p.rate[i] / (1 - std::pow(s.beta1, t)) * m[i] / most[i];
    }
  }
};

/// torch.optim.RMSprop, centred and with momentum.
struct RMSprop : GroupOf<RMSprop> {
  void update(Slot& p) override {
    couple(p);
    p.count();
    auto &v = p.get("square_avg"), &mean = p.get("grad_avg"), &buffer = p.get("momentum_buffer");
    for (std::size_t i = 0; i < p.size(); ++i) {
      average(v[i], p.g[i] * p.g[i], s.beta2);
      average(mean[i], p.g[i], s.beta2);
      const double root = std::sqrt(v[i] - mean[i] * mean[i]) + s.epsilon * p.epsilon[i];
      buffer[i] = s.beta1 * buffer[i] + p.g[i] / root;
      p.w[i] -= s.rate * p.rate[i] * buffer[i];
    }
  }
};

/// torch.optim.Adagrad, with lr_decay.
struct Adagrad : GroupOf<Adagrad> {
  void update(Slot& p) override {
    couple(p);
    const double rate = s.rate / (1 + (p.count() - 1) * 0.01);
    auto& sum = p.get("sum");
    for (std::size_t i = 0; i < p.size(); ++i) {
      sum[i] += p.g[i] * p.g[i];
      p.w[i] -= rate * p.rate[i] * p.g[i] / (std::sqrt(sum[i]) + s.epsilon * p.epsilon[i]);
    }
  }
};

/// torch.optim.Adadelta.
struct Adadelta : GroupOf<Adadelta> {
  void update(Slot& p) override {
    couple(p);
    p.count();
    auto &v = p.get("square_avg"), &steps = p.get("acc_delta");
    for (std::size_t i = 0; i < p.size(); ++i) {
      average(v[i], p.g[i] * p.g[i], 0.9);
      const double step = std::sqrt(steps[i] + s.epsilon) / std::sqrt(v[i] + s.epsilon) * p.g[i];
      average(steps[i], step * step, 0.9);
      p.w[i] -= s.rate * p.rate[i] * step;
    }
  }
};

/// Lion, as in its paper.
struct Lion : GroupOf<Lion> {
  void update(Slot& p) override {
    shrink(p);
    auto& m = p.get("exp_avg");
    for (std::size_t i = 0; i < p.size(); ++i) {
      const double mixed = s.beta1 * m[i] + (1 - s.beta1) * p.g[i];
      p.w[i] -= s.rate * p.rate[i] * double((mixed > 0) - (mixed < 0));
      average(m[i], p.g[i], s.beta2);
    }
  }
};

/// torch.optim.SGD with momentum and Nesterov's look ahead.
struct Sgd : GroupOf<Sgd> {
  void update(Slot& p) override {
    couple(p);
    auto& buffer = p.get("momentum_buffer");
    for (std::size_t i = 0; i < p.size(); ++i) {
      buffer[i] = s.beta1 * buffer[i] + p.g[i];
      p.w[i] -= s.rate * p.rate[i] * (p.g[i] + s.beta1 * buffer[i]);
    }
  }
};

/// The last two axes of a parameter as matrices [rows, columns], one behind the other.
struct Matrices {
  std::size_t n, rows, columns;
  explicit Matrices(const Shape& shape)
      : n(1), rows(std::size_t(shape[shape.rank() - 2])), columns(std::size_t(shape.back())) {
    for (int a = 0; a + 2 < shape.rank(); ++a) n *= std::size_t(shape[a]);
  }
  /// Calls f(element, its row, its column) with rows and columns counted over all matrices.
  template <class F>
  void each(F&& f) const {
    for (std::size_t i = 0; i < n * rows * columns; ++i)
      f(i, i / columns, i / (rows * columns) * columns + i % columns);
  }
  /// Means over columns, of every row, and over rows, of every column.
  template <class F>
  void means(F&& of, Numbers& row, Numbers& column) const {
    row.assign(n * rows, 0);
    column.assign(n * columns, 0);
    each([&](std::size_t i, std::size_t r, std::size_t c) {
      row[r] += of(i) / double(columns);
      column[c] += of(i) / double(rows);
    });
  }
  /// The mean of the rows of the matrix of row r.
  double mean_of_rows(const Numbers& row, std::size_t r) const {
    double sum = 0;
    for (std::size_t i = r / rows * rows; i < (r / rows + 1) * rows; ++i) sum += row[i];
    return sum / double(rows);
  }
};

/// torch.optim.Adafactor.
struct Adafactor : GroupOf<Adafactor> {
  void update(Slot& p) override {
    const double t = p.count(), fresh = std::pow(t, -0.8), least = 1e-7;
    const double size = std::max(1e-3, rms(p.w)) * std::min(s.rate, 1 / std::sqrt(t));
    shrink(p);
    Numbers square(p.size());
    if (p.matrix()) {
      const Matrices m(p.shape);
      auto &rows = p.get("row_var", m.n * m.rows), &columns = p.get("col_var", m.n * m.columns);
      Numbers row, column;
      m.means([&](std::size_t i) { return p.g[i] * p.g[i]; }, row, column);
      for (std::size_t i = 0; i < rows.size(); ++i) rows[i] += fresh * (row[i] - rows[i]);
      for (std::size_t i = 0; i < columns.size(); ++i) columns[i] += fresh * (column[i] - columns[i]);
      m.each([&](std::size_t i, std::size_t r, std::size_t c) {
        square[i] = rows[r] * columns[c] / std::max(m.mean_of_rows(rows, r), least);
      });
    } else {
      auto& v = p.get("variance");
      for (std::size_t i = 0; i < p.size(); ++i) square[i] = v[i] += fresh * (p.g[i] * p.g[i] - v[i]);
    }
    for (std::size_t i = 0; i < p.size(); ++i) square[i] = p.g[i] / std::sqrt(std::max(square[i], least * least));
    const double clip = std::max(1.0, rms(square));
    for (std::size_t i = 0; i < p.size(); ++i) p.w[i] -= size * p.rate[i] / clip * square[i];
  }
};

/// CAME, as in its paper and came-pytorch.
struct Came : GroupOf<Came> {
  void update(Slot& p) override {
    auto& m = p.get("exp_avg");
    Numbers update(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) update[i] = p.g[i] * p.g[i] + 1e-30;
    if (p.matrix()) {
      factored(p, "exp_avg_sq_row", "exp_avg_sq_col", s.beta2, update);
      for (std::size_t i = 0; i < p.size(); ++i) update[i] *= p.g[i];
    } else {
      auto& v = p.get("exp_avg_sq");
      for (std::size_t i = 0; i < p.size(); ++i) average(v[i], update[i], s.beta2);
      for (std::size_t i = 0; i < p.size(); ++i) update[i] = p.g[i] / std::sqrt(v[i]);
    }
    const double clip = std::max(1.0, rms(update));
    for (std::size_t i = 0; i < p.size(); ++i) average(m[i], update[i] / clip, s.beta1);
    Numbers step = m;
    if (p.matrix()) {
      Numbers residual(p.size());
      for (std::size_t i = 0; i < p.size(); ++i) residual[i] = std::pow(update[i] / clip - m[i], 2) + 1e-16;
      factored(p, "exp_avg_res_row", "exp_avg_res_col", 0.9999, residual);
      for (std::size_t i = 0; i < p.size(); ++i) step[i] *= residual[i];
    }
    shrink(p);
    for (std::size_t i = 0; i < p.size(); ++i) p.w[i] -= s.rate * p.rate[i] * step[i];
  }

 private:
  /// Averages the means of x over rows and columns, and makes of x the inverse roots that they stand for.
  static void factored(Slot& p, const char* row_entry, const char* column_entry, double beta, Numbers& x) {
    const Matrices m(p.shape);
    auto &rows = p.get(row_entry, m.n * m.rows), &columns = p.get(column_entry, m.n * m.columns);
    Numbers row, column;
    m.means([&](std::size_t i) { return x[i]; }, row, column);
    for (std::size_t i = 0; i < rows.size(); ++i) average(rows[i], row[i], beta);
    for (std::size_t i = 0; i < columns.size(); ++i) average(columns[i], column[i], beta);
    m.each([&](std::size_t i, std::size_t r, std::size_t c) {
      x[i] = 1 / std::sqrt(rows[r] / m.mean_of_rows(rows, r) * columns[c]);
    });
  }
};

/// torch.optim.Muon, for matrices; Newton-Schulz in double or, as torch has it, rounded to bf16.
struct Muon : GroupOf<Muon> {
  bool match_rms = false, in_bf16 = false;
  void update(Slot& p) override {
    auto& buffer = p.get("momentum_buffer");
    Numbers x(p.size());
    for (std::size_t i = 0; i < p.size(); ++i) {
      average(buffer[i], p.g[i], 0.95);
      x[i] = round(0.05 * p.g[i] + 0.95 * buffer[i]);
    }
    const auto rows = std::size_t(p.shape[0]), columns = std::size_t(p.shape[1]);
    if (rows > columns) x = transposed(x, columns);
    orthogonalise(x, std::min(rows, columns));
    if (rows > columns) x = transposed(x, rows);
    const double a = double(rows), b = double(columns);
    const double adjusted = match_rms ? 0.2 * std::sqrt(std::max(a, b)) : std::sqrt(std::max(1.0, a / b));
    shrink(p);
    for (std::size_t i = 0; i < p.size(); ++i) p.w[i] -= s.rate * p.rate[i] * adjusted * x[i];
  }

 private:
  double round(double x) const {
    return in_bf16 ? modelgrow::element_cast<double>(modelgrow::element_cast<modelgrow::bf16>(x)) : x;
  }
  static Numbers transposed(const Numbers& x, std::size_t columns) {
    Numbers t(x.size());
    for (std::size_t i = 0; i < x.size(); ++i) t[i % columns * (x.size() / columns) + i / columns] = x[i];
    return t;
  }
  /// a b, or a b^T where the rows of both are as long.
  Numbers product(const Numbers& a, const Numbers& b, std::size_t rows, bool transposed_b) const {
    const std::size_t inner = a.size() / rows, columns = b.size() / inner;
    Numbers y(rows * columns, 0.0);
    for (std::size_t i = 0; i < rows; ++i)
      for (std::size_t j = 0; j < columns; ++j) {
        for (std::size_t k = 0; k < inner; ++k)
          y[i * columns + j] += a[i * inner + k] * (transposed_b ? b[j * inner + k] : b[k * columns + j]);
        y[i * columns + j] = round(y[i * columns + j]);
      }
    return y;
  }
  void orthogonalise(Numbers& x, std::size_t rows) const {
    const double norm = std::max(rms(x) * std::sqrt(double(x.size())), 1e-7);
    for (double& v : x) v = round(v / norm);
    for (int step = 0; step < 5; ++step) {
      const Numbers gram = product(x, x, rows, true);
      Numbers update = product(gram, gram, rows, false);
      for (std::size_t i = 0; i < update.size(); ++i) update[i] = round(-4.7750 * gram[i] + 2.0315 * update[i]);
      const Numbers more = product(update, x, rows, false);
      for (std::size_t i = 0; i < x.size(); ++i) x[i] = round(3.4445 * x[i] + more[i]);
    }
  }
};

/// AdamWScheduleFree of schedulefree in train mode: the weights are y.
struct ScheduleFree : GroupOf<ScheduleFree> {
  double k = 0, weight_sum = 0, most = 0;
  void step(std::vector<Slot>& slots) override {
    most = std::max(most, s.rate);
    weight_sum += most * most;
    const double part = most * most / weight_sum, correction = 1 - std::pow(s.beta2, k + 1);
    for (auto& p : slots) {
      auto& z = p.state.try_emplace("z", p.w).first->second;
      auto& v = p.get("exp_avg_sq");
      for (std::size_t i = 0; i < p.size(); ++i) {
        average(v[i], p.g[i] * p.g[i], s.beta2);
        const double root = std::sqrt(v[i] / correction) + s.epsilon * p.epsilon[i];
        const double step = p.g[i] / root + s.decay * p.decay[i] * p.w[i], rate = s.rate * p.rate[i];
        p.w[i] += part * (z[i] - p.w[i]);
        p.w[i] += step * rate * (s.beta1 * (1 - part) - 1);
        z[i] -= rate * step;
      }
    }
    ++k;
  }
};

/// Prodigy of prodigyopt, slice_p 1, decoupled decay.
struct Prodigy : GroupOf<Prodigy> {
  bool corrected = false;  // use_bias_correction
  double d = 1e-6, most = 1e-6, numerator = 0, k = 0;
  static constexpr double first = 1e-6;
  void step(std::vector<Slot>& slots) override {
    ++k;
    const double bias = corrected ? std::sqrt(1 - std::pow(s.beta2, k)) / (1 - std::pow(s.beta1, k)) : 1;
    const double beta3 = std::sqrt(s.beta2), rate = d * s.rate * bias;
    numerator *= beta3;
    double sum = 0;
    for (auto& p : slots) {
      const auto& p0 = p.state.try_emplace("p0", p.w).first->second;
      auto &way = p.get("s"), &m = p.get("exp_avg"), &v = p.get("exp_avg_sq");
      p.count();
      for (std::size_t i = 0; i < p.size(); ++i) {
        numerator += d / first * rate * p.g[i] * (p0[i] - p.w[i]);
        m[i] = s.beta1 * m[i] + (1 - s.beta1) * d * p.g[i];
        v[i] = s.beta2 * v[i] + (1 - s.beta2) * d * d * p.g[i] * p.g[i];
        way[i] = beta3 * way[i] + d / first * rate * p.g[i];
        sum += std::abs(way[i]);
      }
    }
    if (sum == 0) return;
    const double found = numerator / sum;
    if (d == first) d = std::max(d, found);
    most = std::max(most, found);
    d = most;
    for (auto& p : slots)
      for (std::size_t i = 0; i < p.size(); ++i) {
        const double root = std::sqrt(p.state["exp_avg_sq"][i]) + d * s.epsilon * p.epsilon[i];
        p.w[i] *= 1 - rate * s.decay * p.decay[i];
        p.w[i] -= rate * p.rate[i] * p.state["exp_avg"][i] / root;
      }
  }
};

}  // namespace plain
