// SPDX-License-Identifier: MIT
// Blocked softmax attention with an online softmax (Dao et al. 2022): scores exist for one block of queries and keys
// at a time, and the backward pass computes them again from the saved log-denominators.
#pragma once
#include <cmath>
#include <limits>

#include <modelgrow/backend/cpu/gemm.hpp>

namespace modelgrow::inline v0 {
namespace cpu {

struct Attention {
  template <class T>
  static void attention(const AttentionSize& s, const std::int32_t* lengths, const T* q, const T* k, const T* v, T* out,
                        Stat<T>* lse) {
    for_problems(s, lengths, [=, &s](const Problem& p) {
      Scratch<T> scratch;
      const auto K = matrix(k + p.kv, p.keys, s.head_dim, s.kv.token);
      const auto V = matrix(v + p.kv, p.keys, s.head_dim, s.kv.token);
      Eigen::Array<T, -1, 1> top, sum;
      for (std::int64_t i = 0; i < s.queries; i += query_block) {
        const std::int64_t rows = std::min(query_block, s.queries - i);
        const auto Q = matrix(q + p.q + i * s.q.token, rows, s.head_dim, s.q.token);
        auto O = matrix(out + p.out + i * s.out.token, rows, s.head_dim, s.out.token);
        O.setZero();
        top.setConstant(rows, -std::numeric_limits<T>::infinity());
        sum.setZero(rows);
        for (std::int64_t j = 0; j < p.keys; j += key_block) {
          const std::int64_t columns = std::min(key_block, p.keys - j);
          auto P = scratch.scores(rows, columns);
          P.noalias() = Q * K.middleRows(j, columns).transpose();
          for (std::int64_t r = 0; r < rows; ++r) {
            auto scores = P.row(r).array();
            const T before = top[r];
            top[r] = std::max(before, scores.maxCoeff() * T(p.scale));
            scores = (scores * T(p.scale) - top[r]).exp();
            const T shrink = std::exp(before - top[r]);
            sum[r] = sum[r] * shrink + scores.sum();
            O.row(r) *= shrink;
          }
          O.noalias() += P * V.middleRows(j, columns);
        }
        for (std::int64_t r = 0; r < rows; ++r) {
          O.row(r) /= sum[r];
          lse[p.lse + i + r] = top[r] + std::log(sum[r]);
        }
      }
    });
  }

  template <class T>
  static void attention_dx(const AttentionSize& s, const std::int32_t* lengths, const T* q, const T* k, const T* v,
                           const T* out, const Stat<T>* lse, const T* dout, T* dq, T* dk, T* dv) {
    for_problems(s, lengths, [=, &s](const Problem& p) {
      Scratch<T> scratch;
      const auto K = matrix(k + p.kv, p.keys, s.head_dim, s.kv.token);
      const auto V = matrix(v + p.kv, p.keys, s.head_dim, s.kv.token);
      auto dK = matrix(dk + p.kv, s.keys, s.head_dim, s.kv.token);
      auto dV = matrix(dv + p.kv, s.keys, s.head_dim, s.kv.token);
      dK.setZero();
      dV.setZero();
      Eigen::Array<T, -1, 1> delta;
      for (std::int64_t i = 0; i < s.queries; i += query_block) {
        const std::int64_t rows = std::min(query_block, s.queries - i);
        const auto Q = matrix(q + p.q + i * s.q.token, rows, s.head_dim, s.q.token);
        const auto O = matrix(out + p.out + i * s.out.token, rows, s.head_dim, s.out.token);
        const auto dO = matrix(dout + p.out + i * s.out.token, rows, s.head_dim, s.out.token);
        auto dQ = matrix(dq + p.q + i * s.q.token, rows, s.head_dim, s.q.token);
        dQ.setZero();
        delta = O.cwiseProduct(dO).rowwise().sum();
        for (std::int64_t j = 0; j < p.keys; j += key_block) {
          const std::int64_t columns = std::min(key_block, p.keys - j);
          auto P = scratch.scores(rows, columns);
          auto dS = scratch.gradients(rows, columns);
          P.noalias() = Q * K.middleRows(j, columns).transpose();
          for (std::int64_t r = 0; r < rows; ++r) P.row(r) = (P.row(r).array() * T(p.scale) - lse[p.lse + i + r]).exp();
          dV.middleRows(j, columns).noalias() += P.transpose() * dO;
          dS.noalias() = dO * V.middleRows(j, columns).transpose();
          for (std::int64_t r = 0; r < rows; ++r)
            dS.row(r).array() = P.row(r).array() * (dS.row(r).array() - delta[r]) * T(p.scale);
          dQ.noalias() += dS * K.middleRows(j, columns);
          dK.middleRows(j, columns).noalias() += dS.transpose() * Q;
        }
      }
    });
  }

 private:
  static constexpr std::int64_t query_block = 64, key_block = 256;

  // One softmax attention: offsets of its first query, key, output and statistic.
  struct Problem {
    std::int64_t q, kv, out, lse, keys;
    double scale;
  };
  template <class T>
  struct Scratch {
    Eigen::Matrix<T, -1, -1, Eigen::RowMajor> a, b;
    auto scores(std::int64_t rows, std::int64_t columns) {
      a.resize(rows, columns);
      return a.block(0, 0, rows, columns);
    }
    auto gradients(std::int64_t rows, std::int64_t columns) {
      b.resize(rows, columns);
      return b.block(0, 0, rows, columns);
    }
  };

  template <class F>
  static void for_problems(const AttentionSize& s, const std::int32_t* lengths, F&& f) {
    parallel_for(s.batch * s.groups * s.heads, 1, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const std::int64_t b = i / (s.groups * s.heads), g = i / s.heads % s.groups, h = i % s.heads;
        const auto offset = [&](const AttentionSize::Strides& t) { return b * t.batch + g * t.group + h * s.head_dim; };
        f(Problem{.q = offset(s.q),
                  .kv = offset(s.kv),
                  .out = offset(s.out),
                  .lse = i * s.queries,
                  .keys = lengths ? std::min<std::int64_t>(lengths[b], s.keys) : s.keys,
                  .scale = 1.0 / std::sqrt(double(s.head_dim))});
      }
    });
  }
};

}  // namespace cpu
}  // namespace modelgrow::inline v0
