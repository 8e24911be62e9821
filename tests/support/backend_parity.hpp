// SPDX-License-Identifier: MIT
// Every function of the backend contract on device D in type T against the CPU: odd sizes, strides, lengths, absent
// operands, overwriting and adding.
#pragma once
#include "tests/support/optimizer_parity.hpp"
#include "tests/support/parity.hpp"

namespace modelgrow::testing {

/// In 16 bits the activation may be that of a rounded value or, in cuBLASLt, have a tanh that is right to 2^-11, which
/// the same allowance covers.
template <class D, class T>
void check_linear_and_activation(const LinearSize& s, const std::string& size) {
  for (const Activation f : {Activation::gelu_tanh, Activation::silu}) {
    for (const int bias : {0, 1})
      for (const int kept : {0, 1})
        check_parity<D, T>("linear_activation, " + size, rounded_argument, [&](auto& side) {
          auto *x = side.values(s.rows * s.in, 1), *w = side.values(s.out * s.in, 2, 0.3), *b = side.values(s.out, 3);
          auto *inner = side.fresh(s.rows * s.out), *y = side.fresh(s.rows * s.out);
          side.backend.linear_activation(s, f, x, w, bias ? b : nullptr, kept ? inner : nullptr, y);
        });
    check_parity<D, T>("activation_linear_dx, " + size, rounded_argument, [&](auto& side) {
      auto *dy = side.values(s.rows * s.out, 1), *w = side.values(s.out * s.in, 2, 0.3);
      auto* inner = side.values(s.rows * s.in, 3, 2.0);
      side.backend.activation_linear_dx(s, f, dy, w, inner, side.fresh(s.rows * s.in));
    });
  }
}

template <class D, class T>
void check_linear() {
  // The last size is one that cuBLASLt may take with every epilogue.
  for (const LinearSize s :
       {LinearSize{1, 1, 1}, LinearSize{7, 5, 3}, LinearSize{33, 70, 41}, LinearSize{40, 24, 64}}) {
    const std::string size = std::to_string(s.rows) + " rows";
    for (const int bias : {0, 1})
      check_parity<D, T>("linear, " + size, [&](auto& side) {
        auto *x = side.values(s.rows * s.in, 1), *w = side.values(s.out * s.in, 2), *b = side.values(s.out, 3);
        side.backend.linear(s, x, w, bias ? b : nullptr, side.fresh(s.rows * s.out));
      });
    for (const Write write : {Write::overwrite, Write::add})
      check_parity<D, T>("linear_dx, " + size, [&](auto& side) {
        auto *dy = side.values(s.rows * s.out, 1), *w = side.values(s.out * s.in, 2);
        auto* dx = write == Write::add ? side.values(s.rows * s.in, 3) : side.fresh(s.rows * s.in);
        side.backend.linear_dx(s, dy, w, dx, write);
      });
    for (const int without : {0, 1, 2})  // dw or db absent
      check_parity<D, T>("linear_dw, " + size, [&](auto& side) {
        auto *dy = side.values(s.rows * s.out, 1), *x = side.values(s.rows * s.in, 2);
        auto *dw = side.statistics(s.out * s.in, 3), *db = side.fresh_statistics(s.out);
        side.backend.linear_dw(s, dy, x, without == 1 ? nullptr : dw, without == 2 ? nullptr : db);
      });
    check_linear_and_activation<D, T>(s, size);
  }
  for (const std::int64_t rows : {1, 37, 1100})       // one thread's rows, one part, several parts
    for (const std::int64_t columns : {45, 16, 304})  // odd rows, and tiles of eight columns a lane
      for (const int odd : {0, 1})
        check_parity<D, T>("column_sum", [&](auto& side) {
          auto* x = side.values(rows * columns + odd, 1) + odd;
          side.backend.column_sum(rows, columns, x, side.statistics(columns, 2));
        });
}

/// Of n values at an address that is a multiple of 16 bytes, or one value behind one.
template <class D, class T>
void check_elementwise(std::int64_t n, int odd) {
  const auto values = [=](auto& side, std::uint64_t stream, double scale = 1.0) {
    return side.values(n + odd, stream, scale) + odd;
  };
  const auto fresh = [=](auto& side) { return side.fresh(n + odd) + odd; };
  for (const Activation kind : {Activation::gelu_tanh, Activation::silu}) {
    check_parity<D, T>("activation", [&](auto& side) {
      auto* x = values(side, 1, 3.0);
      side.backend.activation(kind, n, x, fresh(side));
    });
    check_parity<D, T>("activation_dx", [&](auto& side) {
      auto *x = values(side, 1, 3.0), *dy = values(side, 2);
      side.backend.activation_dx(kind, n, x, dy, fresh(side));
    });
  }
  check_parity<D, T>("add", [&](auto& side) {
    auto *a = values(side, 1), *b = values(side, 2);
    side.backend.add(n, a, b, fresh(side));
  });
  check_parity<D, T>("add in place", [&](auto& side) {
    auto *a = values(side, 1), *b = values(side, 2);
    side.backend.add(n, a, b, b);
  });
  check_parity<D, T>("fill", [&](auto& side) {
    using U = typename std::remove_reference_t<decltype(side)>::Element;
    side.backend.fill(n, U(0.5f), fresh(side));
  });
  check_parity<D, T>("lerp", [&](auto& side) {
    auto* x = values(side, 1);
    side.backend.lerp(n, 0.125, x, values(side, 2));
  });
  check_parity<D, T>("axpy", [&](auto& side) {
    auto* x = values(side, 1);
    side.backend.axpy(n, -0.75, x, values(side, 2));
  });
  check_parity<D, T>("collect", [&](auto& side) {
    auto* x = values(side, 1);
    side.backend.collect(n, x, side.statistics(n + odd, 2) + odd);
  });
  check_parity<D, T>("collect_all", [&](auto& side) {
    using U = typename std::remove_reference_t<decltype(side)>::Element;
    const std::int64_t sizes[] = {n, 9001, 5, 0};  // 9001: two chunks
    std::vector<Addend<Stat<U>>> addends;
    for (const std::int64_t size : sizes)
      addends.push_back({.size = size,
                         .x = side.statistics(size + odd, std::uint64_t(size)) + odd,
                         .sum = side.statistics(size, std::uint64_t(size) + 1)});
    side.backend.template collect_all<U>(std::span<const Addend<Stat<U>>>(addends));
  });
  check_parity<D, T>("narrow", [&](auto& side) {
    auto* x = side.statistics(n + odd, 1) + odd;
    side.backend.narrow(n, x, fresh(side));
  });
}

template <class D, class T>
void check_elementwise() {
  for (const std::int64_t n : {1, 777, 7000})  // less than eight; a tail; several blocks
    for (const int odd : {0, 1}) check_elementwise<D, T>(n, odd);
  for (const std::int64_t channels : {7, 24, 264})
    check_parity<D, T>("add_table", [&](auto& side) {
      auto *x = side.values(2 * 3 * 5 * channels, 1), *table = side.values(3 * channels, 2);
      side.backend.add_table(2, 3, 5, channels, x, table, side.fresh(2 * 3 * 5 * channels));
    });
}

template <class D, class T>
void check_norm() {
  for (const ModulateSize s :
       {ModulateSize{2, 3, 33, 6}, ModulateSize{1, 19, 7, 2}, ModulateSize{3, 5, 100, 3}, ModulateSize{2, 3, 264, 2},
        ModulateSize{1, 67, 16, 2}, ModulateSize{1, 5, 1152, 2}, ModulateSize{1, 2, 1288, 2}}) {
    const std::int64_t rows = s.batch * s.tokens, n = rows * s.channels, vectors = s.batch * s.slots * s.channels;
    check_parity<D, T>("norm_modulate", [&](auto& side) {
      auto *x = side.values(n, 1), *m = side.values(vectors, 2);
      side.backend.norm_modulate(s, 1e-6, x, m, 0, 1, side.fresh(n), side.fresh_statistics(rows),
                                 side.fresh_statistics(rows));
    });
    for (const int gate : {no_gate, 1}) {
      const auto at_once = [&](auto& side) {
        auto *x = side.values(n, 1), *branch = side.values(n, 2), *m = side.values(vectors, 3), *sum = side.fresh(n);
        side.backend.residual_norm_modulate(s, 1e-6, x, branch, m, gate, 0, 1, sum, side.fresh(n),
                                            side.fresh_statistics(rows), side.fresh_statistics(rows));
      };
      // In 16 bits the norm is that of a sum which has been rounded, as it is apart.
      if constexpr (sizeof(T) > 2) check_parity<D, T>("residual_norm_modulate", at_once);
      check_same_bits<D, T>(at_once, [&](auto& side) {
        auto *x = side.values(n, 1), *branch = side.values(n, 2), *m = side.values(vectors, 3), *sum = side.fresh(n);
        if (gate == no_gate)
          side.backend.add(n, x, branch, sum);
        else
          side.backend.gate_residual(s, x, branch, m, gate, sum);
        side.backend.norm_modulate(s, 1e-6, sum, m, 0, 1, side.fresh(n), side.fresh_statistics(rows),
                                   side.fresh_statistics(rows));
      });
    }
    for (const int without : {0, 1, 2})  // dx or dm absent
      for (const Write write : {Write::overwrite, Write::add})
        check_parity<D, T>("norm_modulate_dx", [&](auto& side) {
          auto *x = side.values(n, 1), *m = side.values(vectors, 2), *dy = side.values(n, 3);
          auto *mean = side.statistics(rows, 4, 0.1), *rstd = side.statistics(rows, 5);
          auto* dx = write == Write::add ? side.values(n, 6) : side.fresh(n);
          auto* dm = side.statistics(vectors, 7);
          side.backend.norm_modulate_dx(s, x, m, 1, 0, mean, rstd, dy, without == 1 ? nullptr : dx, write,
                                        without == 2 ? nullptr : dm);
        });
    for (const int affine : {0, 1}) {
      check_parity<D, T>("layer_norm", [&](auto& side) {
        auto *x = side.values(n, 1), *gain = side.values(s.channels, 2), *bias = side.values(s.channels, 3);
        side.backend.layer_norm(rows, s.channels, 1e-5, x, affine ? gain : nullptr, affine ? bias : nullptr,
                                side.fresh(n), side.fresh_statistics(rows), side.fresh_statistics(rows));
      });
      for (const Write write : {Write::overwrite, Write::add})
        check_parity<D, T>("layer_norm_dx", [&](auto& side) {
          auto *x = side.values(n, 1), *gain = side.values(s.channels, 2), *dy = side.values(n, 3);
          auto *mean = side.statistics(rows, 4, 0.1), *rstd = side.statistics(rows, 5);
          auto* dx = write == Write::add ? side.values(n, 6) : side.fresh(n);
          auto *dgain = side.statistics(s.channels, 7), *dbias = side.statistics(s.channels, 8);
          side.backend.layer_norm_dx(rows, s.channels, x, affine ? gain : nullptr, mean, rstd, dy, dx, write,
                                     affine ? dgain : nullptr, affine ? dbias : nullptr);
        });
    }
  }
}

template <class D, class T>
void check_modulation(ModulateSize s, std::int64_t stride, std::size_t tables) {
  const std::int64_t row = s.slots * s.channels, t_size = s.batch * (stride == 0 ? s.channels : row);
  const std::int64_t vectors = s.batch * std::int64_t(tables) * row;
  check_parity<D, T>("modulation", [&](auto& side) {
    using U = typename std::remove_reference_t<decltype(side)>::Element;
    std::vector<const U*> from;
    for (std::size_t i = 0; i < tables; ++i) from.push_back(side.values(row, 3 + i));
    auto* t = side.values(t_size, 2);
    side.backend.template modulation<U>(s, stride, from, t, side.fresh(vectors));
  });
  for (const Write write : {Write::overwrite, Write::add})
    for (const int without : {0, 1, 2, 3})  // dt, all of dtables, the first of them absent
      check_parity<D, T>("modulation_dx", [&](auto& side) {
        using U = typename std::remove_reference_t<decltype(side)>::Element;
        auto* dm = side.values(vectors, 1);
        std::vector<Stat<U>*> sums;
        for (std::size_t i = 0; i < tables; ++i) {
          auto* sum = side.statistics(row, 3 + i);
          sums.push_back(without == 2 || (without == 3 && i == 0) ? nullptr : sum);
        }
        auto* dt = write == Write::add ? side.values(t_size, 2) : side.fresh(t_size);
        side.backend.template modulation_dx<U>(s, stride, dm, sums, without == 1 ? nullptr : dt, write);
      });
}

template <class D, class T>
void check_modulate() {
  for (const ModulateSize s : {ModulateSize{2, 3, 33, 6}, ModulateSize{3, 17, 5, 2}, ModulateSize{2, 3, 264, 2}}) {
    const std::int64_t n = s.batch * s.tokens * s.channels, vectors = s.batch * s.slots * s.channels;
    check_parity<D, T>("gate_residual", [&](auto& side) {
      auto *x = side.values(n, 1), *branch = side.values(n, 2), *m = side.values(vectors, 3);
      side.backend.gate_residual(s, x, branch, m, 1, side.fresh(n));
    });
    for (const int without : {0, 1, 2})
      check_parity<D, T>("gate_residual_dx", [&](auto& side) {
        auto *branch = side.values(n, 1), *m = side.values(vectors, 2), *dy = side.values(n, 3);
        auto* dbranch = side.fresh(n);
        auto* dm = side.statistics(vectors, 4);
        side.backend.gate_residual_dx(s, branch, m, 1, dy, without == 1 ? nullptr : dbranch,
                                      without == 2 ? nullptr : dm);
      });
    const std::int64_t rows = s.batch * s.tokens, heads = s.slots, wide = rows * heads * s.channels;
    check_parity<D, T>("head_gate", [&](auto& side) {
      auto *x = side.values(wide, 1), *gate = side.values(heads, 2);
      side.backend.head_gate(rows, heads, s.channels, x, gate, side.fresh(wide));
    });
    for (const int without : {0, 1, 2})
      check_parity<D, T>("head_gate_dx", [&](auto& side) {
        auto *x = side.values(wide, 1), *gate = side.values(heads, 2), *dy = side.values(wide, 3);
        auto* dx = side.fresh(wide);
        auto* dgate = side.statistics(heads, 4);
        side.backend.head_gate_dx(rows, heads, s.channels, x, gate, dy, without == 1 ? nullptr : dx,
                                  without == 2 ? nullptr : dgate);
      });
    for (const std::int64_t stride : {std::int64_t{0}, s.channels})
      for (const std::size_t tables : {1, 3}) check_modulation<D, T>(s, stride, tables);
  }
  // More tables than the kernels take at once.
  check_modulation<D, T>({.batch = 2, .tokens = 0, .channels = 3, .slots = 2}, 3, 130);
}

/// Attention of one size, forward and backward, over separate or interleaved q, k, v. The allowance is rounded_factor
/// for kernels on matrix units, which round weights and their gradients.
template <class D, class T>
void check_attention_passes(const AttentionSize& s, std::vector<std::int32_t> lengths, const std::string& what,
                            Allowance allowance = {}) {
  const auto extent = [&](const AttentionSize::Strides& t, std::int64_t tokens) {
    return (s.batch - 1) * t.batch + (s.groups - 1) * t.group + (tokens - 1) * t.token + s.heads * s.head_dim;
  };
  const std::int64_t nq = extent(s.q, s.queries), nk = extent(s.kv, s.keys), no = extent(s.out, s.queries);
  const std::int64_t nl = s.batch * s.groups * s.heads * s.queries;
  check_parity<D, T>("attention " + what, allowance, [&](auto& side) {
    auto *q = side.values(nq, 1), *k = side.values(nk, 2), *v = side.values(nk, 3);
    const std::int32_t* valid = lengths.empty() ? nullptr : side.given(lengths);
    side.backend.attention(s, valid, q, k, v, side.fresh(no), side.fresh_statistics(nl));
  });
  // The backward pass takes what join_attention leaves of a forward pass: denominators to which the keys of another
  // attention have added, and an output that is not of these keys alone. Both sides get those of the reference.
  allowance.factor *= 2;                 // gradients have few terms that matter, of either sign
  if (s.keys == 1) allowance.terms = 1;  // those of queries and keys are differences of equals
  Side<double, Cpu, T> forward;
  auto *q = forward.values(nq, 1), *k = forward.values(nk, 2), *v = forward.values(nk, 3), *out = forward.fresh(no);
  auto* lse = forward.fresh_statistics(nl);
  forward.backend.attention(s, lengths.empty() ? nullptr : lengths.data(), q, k, v, out, lse);
  for (const bool closed : {false, true})  // infinite denominators: no key gets anything
    check_parity<D, T>("attention_dx " + what, allowance, [&](auto& side) {
      using U = typename std::remove_reference_t<decltype(side)>::Element;
      std::vector<U> out_values;
      std::vector<Stat<U>> lse_values;
      for (std::int64_t i = 0; i < no; ++i) out_values.push_back(stored<U, T>(out[i] + 0.25 * double(i % 3)));
      for (std::int64_t i = 0; i < nl; ++i)
        lse_values.push_back(closed ? std::numeric_limits<Stat<U>>::infinity()
                                    : stored<Stat<U>, Stat<T>>(lse[i] + 0.25));
      auto *q = side.values(nq, 1), *k = side.values(nk, 2), *v = side.values(nk, 3), *dout = side.values(no, 4);
      const std::int32_t* valid = lengths.empty() ? nullptr : side.given(lengths);
      side.backend.attention_dx(s, valid, q, k, v, side.given(out_values), side.given(lse_values), dout, side.fresh(nq),
                                side.fresh(nk), side.fresh(nk));
    });
}

/// The same, and joined to another attention.
template <class D, class T>
void check_attention(const AttentionSize& s, std::vector<std::int32_t> lengths, const std::string& what) {
  check_attention_passes<D, T>(s, lengths, what);
  const std::int64_t no =
      (s.batch - 1) * s.out.batch + (s.groups - 1) * s.out.group + (s.queries - 1) * s.out.token + s.heads * s.head_dim;
  const std::int64_t nl = s.batch * s.groups * s.heads * s.queries;
  for (const double weight : {0.0, 0.25, 1.0})
    check_parity<D, T>("join_attention " + what, [&](auto& side) {
      using U = typename std::remove_reference_t<decltype(side)>::Element;
      auto *other = side.values(no, 5), *joint = side.values(no, 6);
      side.backend.join_attention(s, side.given(std::vector<U>{U(weight)}), other, joint, side.statistics(nl, 7),
                                  side.statistics(nl, 8));
    });
}

template <class D, class T>
void check_attention() {
  const std::int64_t B = 2, F = 3, S = 19, H = 2, d = 5, C = H * d;
  const AttentionSize::Strides qkv_space{F * S * 3 * C, S * 3 * C, 3 * C}, space{F * S * C, S * C, C};
  const AttentionSize::Strides qkv_time{F * S * 3 * C, 3 * C, S * 3 * C}, time{F * S * C, C, S * C};
  check_attention<D, T>({B, F, S, S, H, d, qkv_space, qkv_space, space}, {}, "along space");
  check_attention<D, T>({B, 2, F, F, H, d, qkv_time, qkv_time, time}, {}, "along time");
  const auto one_group = [](std::int64_t tokens, std::int64_t channels) {
    return AttentionSize::Strides{tokens * channels, 0, channels};
  };
  check_attention<D, T>({B, 1, 35, 37, H, d, one_group(35, C), one_group(37, 2 * C), one_group(35, C)}, {37, 33},
                        "to text of several tiles");
  check_attention<D, T>({B, 1, 3, 40, H, d, one_group(3, C), one_group(40, C), one_group(3, C)}, {1, 7}, "short texts");
  check_attention<D, T>({B, 1, 3, 9, H, d, one_group(3, C), one_group(9, C), one_group(3, C)}, {0, 10},
                        "lengths of no key and of more than there are");
  for (const std::int64_t wide : {100, 130}) {  // the kernels for larger heads
    const auto strides = one_group(5, wide);
    check_attention<D, T>({1, 1, 5, 5, 1, wide, strides, strides, strides}, {}, std::to_string(wide) + " channels");
  }
  const auto odd = one_group(5, 73);
  check_attention<D, T>({1, 1, 5, 5, 1, 72, odd, odd, odd}, {}, "72 channels that lie at odd places");
}

/// A temporal convolution of one size, forward and backward, with and without what may be absent.
template <class D, class T>
void check_temporal_conv_passes(const TemporalConvSize& s, const std::string& what) {
  const std::int64_t tokens = s.batch * s.frames * s.space, in = tokens * s.channels_in, out = tokens * s.channels_out;
  const bool dense = s.kind == TemporalConvSize::Kind::dense;
  const std::int64_t nw = s.channels_out * s.kernel * (dense ? s.channels_in : 1);
  for (const int bias : {0, 1})
    check_parity<D, T>("temporal_conv " + what, [&](auto& side) {
      auto *x = side.values(in, 1), *w = side.values(nw, 2), *b = side.values(s.channels_out, 3);
      side.backend.temporal_conv(s, x, w, bias ? b : nullptr, side.fresh(out));
    });
  for (const int without : {0, 1, 2, 3, 6})  // a sum of dx = 1, dw = 2 and db = 4
    check_parity<D, T>("temporal_conv_dx " + what, [&](auto& side) {
      auto *dy = side.values(out, 1), *x = side.values(in, 2), *w = side.values(nw, 3), *dx = side.fresh(in);
      auto *dw = side.statistics(nw, 4), *db = side.statistics(s.channels_out, 5);
      side.backend.temporal_conv_dx(s, dy, x, w, without & 1 ? nullptr : dx, without & 2 ? nullptr : dw,
                                    without & 4 ? nullptr : db);
    });
}

template <class D, class T>
void check_temporal_conv() {
  using Kind = TemporalConvSize::Kind;
  const auto causal = [](std::int64_t kernel) { return -(kernel - 1); };
  const auto centred = [](std::int64_t kernel) { return -(kernel - 1) / 2; };
  for (const Kind kind : {Kind::depthwise, Kind::dense})
    for (const std::int64_t kernel : {1, 3, 5})
      for (const std::int64_t first : {causal(kernel), centred(kernel)})
        check_temporal_conv_passes<D, T>({2, 4, 3, 6, kind == Kind::dense ? 4 : 6, kernel, first, kind},
                                         (kind == Kind::dense ? "dense " : "depthwise ") + std::to_string(kernel));
  // Channels that come 16 bytes at a time, and taps that a window slides under.
  const auto depthwise = [&](std::int64_t batch, std::int64_t frames, std::int64_t space, std::int64_t channels,
                             std::int64_t kernel, std::int64_t first) {
    check_temporal_conv_passes<D, T>({batch, frames, space, channels, channels, kernel, first, Kind::depthwise},
                                     std::to_string(frames) + " frames, " + std::to_string(channels) + " channels");
  };
  depthwise(2, 16, 9, 72, 3, causal(3));  // several positions a thread, and more channels than a block has
  depthwise(1, 7, 20, 8, 3, centred(3));
  depthwise(1, 1, 3, 16, 3, causal(3));
  depthwise(3, 2, 1, 8, 5, centred(5));
  depthwise(1, 6, 2, 136, 5, causal(5));
  depthwise(1, 5, 2, 24, 5, -1);
  depthwise(2, 3, 2, 8, 3, 0);
  depthwise(1, 4, 2, 8, 4, causal(4));  // no window
  depthwise(1, 4, 2, 8, 3, 1);
}

/// Channels 16 bytes at a time from addresses at which they cannot be loaded so: left to other kernels.
template <class D, class T>
void check_temporal_conv_at_odd_addresses(std::int64_t space = 3) {
  using Kind = TemporalConvSize::Kind;
  for (const Kind kind : {Kind::depthwise, Kind::dense})
    for (const int odd : {0, 1, 2, 3}) {  // x, w, b, y; dy, x, w, dx
      const TemporalConvSize s{1, 4, space, 8, 8, 3, -1, kind};
      const std::int64_t n = 4 * space * 8, nw = 8 * 3 * (kind == Kind::dense ? 8 : 1);
      check_parity<D, T>("temporal_conv at odd addresses", [&](auto& side) {
        auto *x = side.values(n + 1, 1), *w = side.values(nw + 1, 2), *b = side.values(9, 3), *y = side.fresh(n + 1);
        side.backend.temporal_conv(s, x + (odd == 0), w + (odd == 1), b + (odd == 2), y + (odd == 3));
        auto *dw = side.statistics(nw, 4), *db = side.statistics(8, 5);
        auto *dy = side.values(n + 1, 6), *dx = side.fresh(n + 1);
        side.backend.temporal_conv_dx(s, dy + (odd == 0), x + (odd == 1), w + (odd == 2), dx + (odd == 3), dw, db);
      });
    }
}

template <class D, class T>
void check_patches() {
  const PatchSize s{2, 3, 4, 6, 4, 2, 3, 2};
  const std::int64_t n = s.batch * s.channels * s.frames * s.height * s.width;
  for (const PatchOrder order : {PatchOrder::channels_first, PatchOrder::channels_last}) {
    check_parity<D, T>("patchify", [&](auto& side) {
      auto* x = side.values(n, 1);
      side.backend.patchify(s, order, x, side.fresh(n));
    });
    check_parity<D, T>("unpatchify", [&](auto& side) {
      auto* patches = side.values(n, 1);
      side.backend.unpatchify(s, order, patches, side.fresh(n));
    });
  }
}

template <class D, class T>
void check_text() {
  for (const std::int64_t width : {8, 31})
    check_parity<D, T>("time_features", [&](auto& side) {
      auto* t = side.statistics(5, 1, 10.0);
      side.backend.time_features(5, width, t, side.fresh(5 * width));
    });
  std::vector<std::int32_t> ids{3, 0, 3, 3, 7, 0, 1};
  for (int i = 0; i < 400; ++i) ids.push_back((i * 37) % 8);  // more than a block of threads looks at
  const std::int64_t n = std::int64_t(ids.size()), width = 19, rows = 9;
  check_parity<D, T>("embedding", [&](auto& side) {
    auto* table = side.values(rows * width, 1);
    side.backend.embedding(n, width, side.given(ids), table, side.fresh(n * width));
  });
  check_parity<D, T>("embedding_dx", [&](auto& side) {
    auto* dy = side.values(n * width, 1);
    side.backend.embedding_dx(n, width, side.given(ids), dy, side.statistics(rows * width, 2));
  });
  const std::vector<std::int32_t> drop{0, 1, 1, 0, 1};
  const std::int64_t tokens = 3, channels = 11, entry = tokens * channels, all = 5 * entry;
  check_parity<D, T>("replace_dropped", [&](auto& side) {
    auto *table = side.values(entry, 1), *x = side.values(all, 2);
    side.backend.replace_dropped(5, tokens, channels, side.given(drop), table, x, side.fresh(all));
  });
  for (const int without : {0, 1, 2})
    check_parity<D, T>("replace_dropped_dx", [&](auto& side) {
      auto *dy = side.values(all, 1), *dx = side.fresh(all);
      auto* dtable = side.statistics(entry, 2);
      side.backend.replace_dropped_dx(5, tokens, channels, side.given(drop), dy, without == 1 ? nullptr : dtable,
                                      without == 2 ? nullptr : dx);
    });
  const std::vector<std::int32_t> lengths{3, 1, 0, 4, 2};  // none: one; more than there are: all
  for (const int masked : {0, 1}) {
    check_parity<D, T>("masked_mean", [&](auto& side) {
      auto* x = side.values(all, 1);
      side.backend.masked_mean(5, tokens, channels, masked ? side.given(lengths) : nullptr, x,
                               side.fresh(5 * channels));
    });
    check_parity<D, T>("masked_mean_dx", [&](auto& side) {
      auto* dy = side.values(5 * channels, 1);
      side.backend.masked_mean_dx(5, tokens, channels, masked ? side.given(lengths) : nullptr, dy, side.fresh(all));
    });
  }
}

template <class D, class T>
void check_loss() {
  for (const std::int64_t n : {1, 1000, 40000}) {  // several parts
    check_parity<D, T>("mse", [&](auto& side) {
      auto *p = side.values(n, 1), *t = side.values(n, 2);
      side.backend.mse(n, p, t, side.fresh(1));
    });
  }
  check_parity<D, T>("mse_dx", [&](auto& side) {
    auto *p = side.values(700, 1), *t = side.values(700, 2), *dloss = side.values(1, 3);
    side.backend.mse_dx(700, p, t, dloss, side.fresh(700));
  });
}

/// The whole contract.
template <class D, class T>
void check_backend_parity() {
  check_linear<D, T>();
  check_elementwise<D, T>();
  check_norm<D, T>();
  check_modulate<D, T>();
  check_attention<D, T>();
  check_temporal_conv<D, T>();
  check_temporal_conv_at_odd_addresses<D, T>();
  check_patches<D, T>();
  check_text<D, T>();
  check_loss<D, T>();
  check_optimizer<D, T>();
}

}  // namespace modelgrow::testing
