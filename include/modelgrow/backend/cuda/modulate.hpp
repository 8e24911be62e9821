// SPDX-License-Identifier: MIT
// adaLN around the branches of a block: modulation vectors from a table and the time, gates on the residual stream.
#pragma once
#include <algorithm>
#include <span>

#include <modelgrow/backend/cuda/sums.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// m[b, i, kc] = tables[i][kc] + t[b, kc % t_row] of the tables from `first` on; t has a row of them an entry, or one
/// vector that all slots share.
template <class T>
struct Modulation {
  Index row, t_row, all_rows, first;  // row: slots * channels; all_rows: those of all tables
  PointerList<const T> tables;
  const T* t;
  T* m;
  Index size(Index batch) const { return batch * tables.count * row; }
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index kc = i % row, table = i / row % tables.count, b = i / row / tables.count;
    m[b * all_rows + (first + table) * row + kc] =
        dev.template narrow<T>(dev.widen(tables.at[table][kc]) + dev.widen(t[b * t_row + kc % t_row]));
  }
};
/// dtables[i][k, c] += sum_b dm[b, i, k, c] of the tables from `first` on; each may be null.
template <class T>
struct ModulationDtables {
  Index batch, row, all_rows, first;
  PointerList<Stat<T>> dtables;
  const T* dm;
  Index size() const { return dtables.count * row; }
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    Stat<T>* const to = dtables.at[i / row];
    if (!to) return;
    Stat<T> sum = 0;
    for (Index b = 0; b < batch; ++b) sum += dev.widen(dm[b * all_rows + first * row + i]);
    to[i % row] += sum;
  }
};
/// dt[b, c] = or += the sum of dm[b, copy, c] over all copies of a row, the last first: slots that share a vector, and
/// tables.
template <class T>
struct ModulationDt {
  Index row, copies;
  const T* dm;
  T* dt;
  Write how;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index b = i / row, c = i % row;
    Stat<T> sum = 0;
    for (Index copy = copies; copy-- > 0;) sum += dev.widen(dm[(b * copies + copy) * row + c]);
    put(dev, dt + i, sum, how);
  }
};

/// y = x + m[:, gate] * branch, with m at the gate vector of the first batch entry; a warp for each token.
template <class T>
struct GateResidual {
  Index tokens, channels, wide, stride;  // stride: elements of m from one batch entry to the next
  const T *x, *branch, *gate;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index token) const {
    const T* own = gate + token / tokens * stride;
    const Index first = token * channels;
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      map<N>(
          dev, [&](auto v, auto g, auto b) { return dev.fma(g, b, v); }, y + first + c, read<N>(dev, x + first + c),
          read<N>(dev, own + c), read<N>(dev, branch + first + c));
    });
  }
};
template <class T>
struct GateResidualDbranch {
  Index tokens, channels, wide, stride;
  const T *gate, *dy;
  T* dbranch;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index token) const {
    const T* own = gate + token / tokens * stride;
    const Index first = token * channels;
    for_row(dev, wide, channels, [&]<int N>(int c, Count<N>) {
      map<N>(
          dev, [](auto g, auto d) { return g * d; }, dbranch + first + c, read<N>(dev, own + c),
          read<N>(dev, dy + first + c));
    });
  }
};

/// The terms of dgate, branch dy; on its way dbranch = gate dy, where that is wanted.
template <class T>
struct GateResidualDx {
  GateResidualDbranch<T> to;
  const T* branch;
  template <class Dev, int N>
  MODELGROW_DEVICE Values<Stat<T>, N> operator()(Dev dev, Index b, Index r, Index c, Count<N>) const {
    const Index i = (b * to.tokens + r) * to.channels + c;
    auto values = read<N>(dev, branch + i);
    const auto dy = read<N>(dev, to.dy + i);
    if (to.dbranch)
      map<N>(
          dev, [](auto g, auto d) { return g * d; }, to.dbranch + i, read<N>(dev, to.gate + b * to.stride + c), dy);
    for (int e = 0; e < N; ++e) values.at[e] *= dy.at[e];
    return values;
  }
};

/// y = x tanh(gate[head]) for rows of channels = heads * head_dim values.
template <class T>
struct HeadGate {
  Index channels, head_dim;
  const T *x, *gate;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    y[i] = dev.template narrow<T>(dev.widen(x[i]) * dev.tanh(dev.widen(gate[i % channels / head_dim])));
  }
};
/// dgate[h] += (1 - tanh(gate[h])^2) * sum of products[r, h, i] over rows and i, from the sums of columns.
template <class T>
struct HeadGateDgate {
  Index head_dim;
  const T* gate;
  const Stat<T>* sums;
  Stat<T>* dgate;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index h) const {
    Stat<T> sum = 0;
    for (Index i = 0; i < head_dim; ++i) sum += sums[h * head_dim + i];
    const Stat<T> open = dev.tanh(dev.widen(gate[h]));
    put(dev, dgate + h, (1 - open * open) * sum, Write::add);
  }
};

template <class Exec>
struct ModulateOperations {
  template <class T>
  static void gate_residual(ModulateSize s, const T* x, const T* branch, const T* m, int gate, T* y) {
    const T* own = m + gate * s.channels;
    const Index stride = s.slots * s.channels;
    Exec::launch(ForEachRow<GateResidual<T>>{.n = s.batch * s.tokens,
                                             .row = {.tokens = s.tokens,
                                                     .channels = s.channels,
                                                     .wide = wide_columns<T>(s.channels, {x, branch, own, y}),
                                                     .stride = stride,
                                                     .x = x,
                                                     .branch = branch,
                                                     .gate = own,
                                                     .y = y}});
  }
  template <class T>
  static void gate_residual_dx(ModulateSize s, const T* branch, const T* m, int gate, const T* dy, T* dbranch,
                               Stat<T>* dm) {
    WaitingSums<Exec, Stat<T>> sums;
    begin_gate_residual_dx(sums, s, branch, m, gate, dy, dbranch, dm);
    sums.add_up();
  }
  /// The same, but what is added to dm waits.
  template <class T>
  static void begin_gate_residual_dx(WaitingSums<Exec, Stat<T>>& sums, ModulateSize s, const T* branch, const T* m,
                                     int gate, const T* dy, T* dbranch, Stat<T>* dm) {
    const T* own = m + gate * s.channels;
    const GateResidualDbranch<T> to{.tokens = s.tokens,
                                    .channels = s.channels,
                                    .wide = wide_columns<T>(s.channels, {own, dy, dbranch}),
                                    .stride = s.slots * s.channels,
                                    .gate = own,
                                    .dy = dy,
                                    .dbranch = dbranch};
    if (dm)
      begin_column_sums<T>(sums, ColumnSums{.groups = s.batch, .rows = s.tokens, .columns = s.channels},
                           {own, branch, dy, dbranch}, GateResidualDx<T>{.to = to, .branch = branch},
                           {{dm + gate * s.channels, nullptr}, s.slots * s.channels, 1});
    else if (dbranch)
      Exec::launch(ForEachRow<GateResidualDbranch<T>>{.n = s.batch * s.tokens, .row = to});
  }
  template <class T>
  static void head_gate(Index rows, Index heads, Index head_dim, const T* x, const T* gate, T* y) {
    const Index channels = heads * head_dim;
    Exec::launch(ForEach<HeadGate<T>>{
        .n = rows * channels, .element = {.channels = channels, .head_dim = head_dim, .x = x, .gate = gate, .y = y}});
  }
  template <class T>
  static void head_gate_dx(Index rows, Index heads, Index head_dim, const T* x, const T* gate, const T* dy, T* dx,
                           Stat<T>* dgate) {
    const Index channels = heads * head_dim;
    if (dgate) {
      auto sums = scratch<Exec, Stat<T>>(channels);
      sums.zero();
      add_column_sums<Exec, T>(ColumnSums{.groups = 1, .rows = rows, .columns = channels}, {x, dy},
                               ProductTerm<T>{.rows = rows, .columns = channels, .a = x, .b = dy},
                               {{sums.data(), nullptr}, 0, 1});
      Exec::launch(ForEach<HeadGateDgate<T>>{
          .n = heads, .element = {.head_dim = head_dim, .gate = gate, .sums = sums.data(), .dgate = dgate}});
    }
    if (dx) head_gate(rows, heads, head_dim, dy, gate, dx);
  }
  template <class T>
  static void modulation(ModulateSize s, Index slot_stride, std::span<const T* const> tables, const T* t, T* m) {
    const Index row = s.slots * s.channels, all_rows = Index(tables.size()) * row;
    PointerList<const T>::for_each(tables, [&](Index first, const auto& list) {
      const Modulation<T> kernel{.row = row,
                                 .t_row = slot_stride == 0 ? s.channels : row,
                                 .all_rows = all_rows,
                                 .first = first,
                                 .tables = list,
                                 .t = t,
                                 .m = m};
      Exec::launch(ForEach<Modulation<T>>{.n = kernel.size(s.batch), .element = kernel});
    });
  }
  template <class T>
  static void modulation_dx(ModulateSize s, Index slot_stride, const T* dm, std::span<Stat<T>* const> dtables, T* dt,
                            Write write) {
    const Index row = s.slots * s.channels, all_rows = Index(dtables.size()) * row;
    const Index t_row = slot_stride == 0 ? s.channels : row;
    if (dt)
      Exec::launch(ForEach<ModulationDt<T>>{
          .n = s.batch * t_row,
          .element = {.row = t_row, .copies = all_rows / t_row, .dm = dm, .dt = dt, .how = write}});
    if (std::ranges::all_of(dtables, [](const auto* d) { return d == nullptr; })) return;
    PointerList<Stat<T>>::for_each(dtables, [&](Index first, const auto& list) {
      const ModulationDtables<T> kernel{
          .batch = s.batch, .row = row, .all_rows = all_rows, .first = first, .dtables = list, .dm = dm};
      Exec::launch(ForEach<ModulationDtables<T>>{.n = kernel.size(), .element = kernel});
    });
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
