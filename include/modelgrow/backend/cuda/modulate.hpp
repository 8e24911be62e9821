// SPDX-License-Identifier: MIT
// adaLN around the branches of a block: modulation vectors from a table and the time, gates on the residual stream.
#pragma once
#include <modelgrow/backend/cuda/sums.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// m[b, k, c] = table[k, c] + t[b, k * slot_stride + c]; t has slots vectors an entry, or one when slot_stride is 0.
template <class T>
struct Modulation {
  Index channels, slots, slot_stride;
  const T *table, *t;
  T* m;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index kc = i % (slots * channels), b = i / (slots * channels);
    const Index row = slot_stride == 0 ? channels : slots * slot_stride;
    const Index source = b * row + kc / channels * slot_stride + kc % channels;
    m[i] = dev.template narrow<T>(dev.widen(table[kc]) + dev.widen(t[source]));
  }
};
/// dtable[k, c] += sum_b dm[b, k, c], and dt = or += dm where t has slots vectors an entry; each may be null.
template <class T>
struct ModulationDx {
  Index batch, row;  // row: slots * channels
  const T* dm;
  Stat<T>* dtable;
  T* dt;
  Write how;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index kc) const {
    Stat<T> sum = 0;
    for (Index i = kc; i < batch * row; i += row) {
      const Stat<T> value = dev.widen(dm[i]);
      if (dt) put(dev, dt + i, value, how);
      sum += value;
    }
    if (dtable) dtable[kc] += sum;
  }
};
/// dt[b, c] = or += sum_k dm[b, k, c]: the gradient of a vector that all slots share.
template <class T>
struct SharedModulationDt {
  Index channels, slots;
  const T* dm;
  T* dt;
  Write how;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index b = i / channels, c = i % channels;
    Stat<T> sum = 0;
    for (Index k = 0; k < slots; ++k) sum += dev.widen(dm[(b * slots + k) * channels + c]);
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
    const T* own = m + gate * s.channels;
    const GateResidualDbranch<T> to{.tokens = s.tokens,
                                    .channels = s.channels,
                                    .wide = wide_columns<T>(s.channels, {own, dy, dbranch}),
                                    .stride = s.slots * s.channels,
                                    .gate = own,
                                    .dy = dy,
                                    .dbranch = dbranch};
    if (dm)
      add_column_sums<Exec, T>(ColumnSums{.groups = s.batch, .rows = s.tokens, .columns = s.channels},
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
  static void modulation(ModulateSize s, Index slot_stride, const T* table, const T* t, T* m) {
    Exec::launch(ForEach<Modulation<T>>{
        .n = s.batch * s.slots * s.channels,
        .element = {
            .channels = s.channels, .slots = s.slots, .slot_stride = slot_stride, .table = table, .t = t, .m = m}});
  }
  template <class T>
  static void modulation_dx(ModulateSize s, Index slot_stride, const T* dm, Stat<T>* dtable, T* dt, Write write) {
    const Index row = s.slots * s.channels;
    const bool shared = slot_stride == 0;
    if (dt && shared)
      Exec::launch(ForEach<SharedModulationDt<T>>{
          .n = s.batch * s.channels,
          .element = {.channels = s.channels, .slots = s.slots, .dm = dm, .dt = dt, .how = write}});
    if (dtable || (dt && !shared))
      Exec::launch(ForEach<ModulationDx<T>>{
          .n = row,
          .element = {
              .batch = s.batch, .row = row, .dm = dm, .dtable = dtable, .dt = shared ? nullptr : dt, .how = write}});
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
