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
/// dt[b, c] = sum_k dm[b, k, c]: the gradient of a vector that all slots share.
template <class T>
struct SharedModulationDt {
  Index channels, slots;
  const T* dm;
  T* dt;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const Index b = i / channels, c = i % channels;
    Stat<T> sum = 0;
    for (Index k = 0; k < slots; ++k) sum += dev.widen(dm[(b * slots + k) * channels + c]);
    dt[i] = dev.template narrow<T>(sum);
  }
};

/// y = x + m[:, gate] * branch, with m at the gate vector of the first batch entry.
template <class T>
struct GateResidual {
  Index tokens, channels, stride;  // stride: elements of m from one batch entry to the next
  const T *x, *branch, *gate;
  T* y;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const T g = gate[i / (tokens * channels) * stride + i % channels];
    y[i] = dev.template narrow<T>(dev.widen(x[i]) + dev.widen(g) * dev.widen(branch[i]));
  }
};
template <class T>
struct GateResidualDbranch {
  Index tokens, channels, stride;
  const T *gate, *dy;
  T* dbranch;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev dev, Index i) const {
    const T g = gate[i / (tokens * channels) * stride + i % channels];
    dbranch[i] = dev.template narrow<T>(dev.widen(g) * dev.widen(dy[i]));
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
    Exec::launch(ForEach<GateResidual<T>>{.n = s.batch * s.tokens * s.channels,
                                          .element = {.tokens = s.tokens,
                                                      .channels = s.channels,
                                                      .stride = s.slots * s.channels,
                                                      .x = x,
                                                      .branch = branch,
                                                      .gate = m + gate * s.channels,
                                                      .y = y}});
  }
  template <class T>
  static void gate_residual_dx(ModulateSize s, const T* branch, const T* m, int gate, const T* dy, T* dbranch,
                               Stat<T>* dm) {
    if (dbranch)
      Exec::launch(ForEach<GateResidualDbranch<T>>{.n = s.batch * s.tokens * s.channels,
                                                   .element = {.tokens = s.tokens,
                                                               .channels = s.channels,
                                                               .stride = s.slots * s.channels,
                                                               .gate = m + gate * s.channels,
                                                               .dy = dy,
                                                               .dbranch = dbranch}});
    if (dm)
      add_column_sums<Exec>(ColumnSums{.groups = s.batch, .rows = s.tokens, .columns = s.channels},
                            ProductTerm<T>{.rows = s.tokens, .columns = s.channels, .a = branch, .b = dy},
                            dm + gate * s.channels, s.slots * s.channels, Index(1));
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
      add_column_sums<Exec>(ColumnSums{.groups = 1, .rows = rows, .columns = channels},
                            ProductTerm<T>{.rows = rows, .columns = channels, .a = x, .b = dy}, sums.data(), Index(0),
                            Index(1));
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
  static void modulation_dx(ModulateSize s, Index slot_stride, const T* dm, Stat<T>* dtable, T* dt) {
    const Index row = s.slots * s.channels;
    if (dtable)
      add_column_sums<Exec>(ColumnSums{.groups = 1, .rows = s.batch, .columns = row},
                            ValueTerm<T>{.rows = s.batch, .columns = row, .x = dm}, dtable, Index(0), Index(1));
    if (dt && slot_stride == 0)
      Exec::launch(ForEach<SharedModulationDt<T>>{
          .n = s.batch * s.channels, .element = {.channels = s.channels, .slots = s.slots, .dm = dm, .dt = dt}});
    else if (dt)
      Exec::Device::copy(dt, dm, sizeof(T) * std::size_t(s.batch * row));
  }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
