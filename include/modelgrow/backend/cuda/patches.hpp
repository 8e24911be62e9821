// SPDX-License-Identifier: MIT
// Clips to patches and back: a permutation, so one index map serves both directions.
#pragma once
#include <modelgrow/backend/cuda/kernel.hpp>

namespace modelgrow::inline v0 {
namespace kernels {

/// Where element i of patches[batch, frames/pt, height/ph * width/pw, inner] lies in x[batch, C, frames, height,
/// width].
MODELGROW_DEVICE Index clip_index(const PatchSize& s, PatchOrder order, Index i) {
  const Index patch = s.channels * s.pt * s.ph * s.pw, columns = s.width / s.pw, rows = s.height / s.ph;
  Index inner = i % patch, outer = i / patch, c, dt, dh, dw;
  if (order == PatchOrder::channels_first) {
    dw = inner % s.pw;
    dh = inner / s.pw % s.ph;
    dt = inner / (s.pw * s.ph) % s.pt;
    c = inner / (s.pw * s.ph * s.pt);
  } else {
    c = inner % s.channels;
    dw = inner / s.channels % s.pw;
    dh = inner / (s.channels * s.pw) % s.ph;
    dt = inner / (s.channels * s.pw * s.ph);
  }
  const Index column = outer % columns, row = outer / columns % rows;
  const Index frame = outer / (columns * rows) % (s.frames / s.pt), b = outer / (columns * rows) / (s.frames / s.pt);
  return (((b * s.channels + c) * s.frames + frame * s.pt + dt) * s.height + row * s.ph + dh) * s.width +
         column * s.pw + dw;
}

template <class T>
struct Patchify {
  PatchSize size;
  PatchOrder order;
  const T* x;
  T* patches;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    patches[i] = x[clip_index(size, order, i)];
  }
};
template <class T>
struct Unpatchify {
  PatchSize size;
  PatchOrder order;
  const T* patches;
  T* x;
  template <class Dev>
  MODELGROW_DEVICE void operator()(Dev, Index i) const {
    x[clip_index(size, order, i)] = patches[i];
  }
};

template <class Exec>
struct PatchOperations {
  template <class T>
  static void patchify(const PatchSize& s, PatchOrder order, const T* x, T* patches) {
    Exec::launch(
        ForEach<Patchify<T>>{.n = values(s), .element = {.size = s, .order = order, .x = x, .patches = patches}});
  }
  template <class T>
  static void unpatchify(const PatchSize& s, PatchOrder order, const T* patches, T* x) {
    Exec::launch(
        ForEach<Unpatchify<T>>{.n = values(s), .element = {.size = s, .order = order, .patches = patches, .x = x}});
  }

 private:
  static Index values(const PatchSize& s) { return s.batch * s.channels * s.frames * s.height * s.width; }
};

}  // namespace kernels
}  // namespace modelgrow::inline v0
