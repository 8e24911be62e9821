// SPDX-License-Identifier: MIT
// Clips to tokens and back: every patch of pt x ph x pw pixels becomes the features of one token.
#pragma once
#include <modelgrow/ops/check.hpp>

namespace modelgrow::inline v0 {

/// Size of a patch in frames, rows and columns.
struct Patch {
  std::int64_t t = 1, h = 2, w = 2;
};

namespace detail {
inline PatchSize patch_size(std::string_view op, const Shape& clip, Patch p) {
  expect_shape(op, "the clip", clip, {any_size, any_size, any_size, any_size, any_size},
               "give [batch, channels, frames, height, width]");
  expect(op, p.t > 0 && p.h > 0 && p.w > 0 && clip[2] % p.t == 0 && clip[3] % p.h == 0 && clip[4] % p.w == 0, [&] {
    return "the clip is " + to_string(clip) + "; expected frames, height and width divisible by the patch " +
           to_string(Shape{p.t, p.h, p.w}) + ": crop or resize it";
  });
  return {.batch = clip[0],
          .channels = clip[1],
          .frames = clip[2],
          .height = clip[3],
          .width = clip[4],
          .pt = p.t,
          .ph = p.h,
          .pw = p.w};
}
inline Shape patches_shape(const PatchSize& s) {
  return {s.batch, s.frames / s.pt, (s.height / s.ph) * (s.width / s.pw), s.channels * s.pt * s.ph * s.pw};
}
}  // namespace detail

/// x [B, C, T, H, W] -> [B, T/pt, H/ph * W/pw, C*pt*ph*pw]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> patchify(Tape<T, D>& tape, const Var<T, D>& x, Patch patch, PatchOrder order) {
  const PatchSize size = detail::patch_size("patchify", x.shape(), patch);
  Tensor<T, D> y = tape.allocate(detail::patches_shape(size));
  Backend<D>::patchify(size, order, x.data(), y.data());
  return tape.record(std::move(y), {x}, [=, &tape](Tensor<T, D> dy) {
    Tensor<T, D> dx = tape.allocate(x.shape());
    Backend<D>::unpatchify(size, order, dy.data(), dx.data());
    tape.accumulate(x, std::move(dx));
  });
}

/// The inverse of patchify: patches [B, T', S', F] -> `clip` [B, C, T, H, W]. Throws shape_error.
template <class T, HasBackend D>
Var<T, D> unpatchify(Tape<T, D>& tape, const Var<T, D>& patches, Shape clip, Patch patch, PatchOrder order) {
  const PatchSize size = detail::patch_size("unpatchify", clip, patch);
  const Shape expected = detail::patches_shape(size);
  expect_shape("unpatchify", "the patches", patches.shape(), {expected[0], expected[1], expected[2], expected[3]},
               "they are put together to a clip " + to_string(clip));
  Tensor<T, D> x = tape.allocate(std::move(clip));
  Backend<D>::unpatchify(size, order, patches.data(), x.data());
  return tape.record(std::move(x), {patches}, [=, &tape](Tensor<T, D> dx) {
    Tensor<T, D> dy = tape.allocate(patches.shape());
    Backend<D>::patchify(size, order, dx.data(), dy.data());
    tape.accumulate(patches, std::move(dy));
  });
}

}  // namespace modelgrow::inline v0
