// SPDX-License-Identifier: MIT
// The processes that mpirun started, as a group: collective operations of MPI on the host, none of which blocks.
#pragma once
#include <mpi.h>

#include <algorithm>
#include <array>
#include <concepts>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <limits>
#include <memory>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <modelgrow/core/pool.hpp>
#include <modelgrow/core/stat.hpp>
#include <modelgrow/dist/communicator.hpp>
#include <modelgrow/dist/tree_sum.hpp>

namespace modelgrow::inline v0 {

namespace detail {

/// Throws communication_error that names the call and the rank.
inline void require_mpi(int status, std::string_view call, int rank) {
  if (status == MPI_SUCCESS) return;
  char text[MPI_MAX_ERROR_STRING] = {};
  int length = 0;
  MPI_Error_string(status, text, &length);
  throw communication_error(std::string(call) + " failed on rank " + std::to_string(rank) + ": " +
                            std::string(text, std::size_t(length)) +
                            "; see whether all ranks live and call the same operations in the same order");
}

/// A non-blocking call that MPI works on.
class MpiRequest final : public Pending::Operation {
 public:
  MpiRequest(std::string_view call, int rank) : call_(call), rank_(rank) {}
  MPI_Request* handle() { return &request_; }
  bool test() override {
    int done = 0;
    require_mpi(MPI_Test(&request_, &done, MPI_STATUS_IGNORE), call_, rank_);
    return done != 0;
  }
  void wait() override { require_mpi(MPI_Wait(&request_, MPI_STATUS_IGNORE), call_, rank_); }

 private:
  std::string_view call_;
  int rank_;
  MPI_Request request_ = MPI_REQUEST_NULL;
};

/// Sizes and places of parts, as MPI takes them.
struct MpiParts {
  std::vector<int> sizes, at;
};

}  // namespace detail

/// Whether a launcher has said what it tells its processes: Open MPI, those that speak PMI or PMIx, MPICH and MVAPICH.
inline bool launched_by_mpi() {
  constexpr std::array said = {"OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMIX_RANK", "MPI_LOCALRANKID",
                               "MV2_COMM_WORLD_SIZE"};
  return std::ranges::any_of(said, [](const char* name) { return std::getenv(name) != nullptr; });
}

/// All ranks of one mpirun. A program has one of these, made before its threads and destroyed after every Pending of
/// it:
///   modelgrow::Mpi ranks;
/// Destroyed by an exception, it ends the other ranks too: they would wait for this one.
class Mpi {
 public:
  /// Starts MPI, unless the program has done so, which then also ends it. Throws communication_error.
  Mpi() : exceptions_(std::uncaught_exceptions()) {
    int started = 0;
    require(MPI_Initialized(&started), "MPI_Initialized");
    if (!started) {
      int threads = 0;
      require(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_FUNNELED, &threads), "MPI_Init_thread");
      ends_mpi_ = true;
    }
    require(MPI_Comm_dup(MPI_COMM_WORLD, &group_), "MPI_Comm_dup");
    require(MPI_Comm_set_errhandler(group_, MPI_ERRORS_RETURN), "MPI_Comm_set_errhandler");
    require(MPI_Comm_rank(group_, &rank_), "MPI_Comm_rank");
    require(MPI_Comm_size(group_, &size_), "MPI_Comm_size");
  }
  Mpi(Mpi&&) = delete;
  ~Mpi() {
    if (size_ > 1 && std::uncaught_exceptions() > exceptions_) abort("an exception ended this rank");
    MPI_Comm_free(&group_);
    if (ends_mpi_) MPI_Finalize();
  }

  int rank() const { return rank_; }
  int size() const { return size_; }
  const Traffic& traffic() const { return traffic_; }

  /// Of float or double; in order, every rank gets the values of all others: for few of them.
  template <class T>
  Pending all_reduce(const Tensor<T, Cpu>& values, Sums sums = Sums::fast) {
    if constexpr (!std::same_as<T, Stat<T>>) {
      const auto wide = widened(values);
      return all_reduce(wide, sums).and_then([=] { narrow(wide, values); });
    } else if (sums == Sums::ordered) {
      const auto all = scratch<T>(Shape{size_, values.size()});
      const auto own = all.view(rank_ * values.size(), Shape{values.size()});
      Cpu::copy(own.data(), values.data(), values.bytes());
      return all_gather(all, Cuts::even(all.size(), size_)).and_then([=, n = size_] { sum_rows(all, n, values); });
    } else {
      traffic_ += Traffic::of_all_reduce(values.size(), size_, rank_, sizeof(T));
      const int n = count(values.size(), "MPI_Iallreduce");
      return begin(
          "MPI_Iallreduce",
          [&](MPI_Request* request) {
            return MPI_Iallreduce(MPI_IN_PLACE, values.data(), n, sum_type<T>(), MPI_SUM, group_, request);
          },
          [values] {});
    }
  }

  template <class T>
  Pending reduce_scatter(const Tensor<T, Cpu>& values, const Cuts& cuts, Sums sums = Sums::fast) {
    cuts.require(values.size(), size_);
    const auto own = cuts.part(values, rank_);
    if constexpr (!std::same_as<T, Stat<T>>) {
      const auto wide = widened(values);
      return reduce_scatter(wide, cuts, sums).and_then([=, r = rank_] { narrow(cuts.part(wide, r), own); });
    } else if (sums == Sums::ordered) {
      const auto all = scratch<T>(Shape{size_, own.size()});
      return all_to_all(values, cuts, all, Cuts::even(all.size(), size_)).and_then([=, n = size_] {
        sum_rows(all, n, own);
      });
    } else {
      // By an exchange, not by MPI_Ireduce_scatter, which may send everything to one rank that adds alone.
      traffic_ += Traffic::of_reduce_scatter(cuts, rank_, sizeof(T));
      std::vector<std::int64_t> sizes(std::size_t(size_), own.size());
      sizes[std::size_t(rank_)] = 0;
      const Cuts of = Cuts::of_sizes(sizes);
      const auto others = scratch<T>(Shape{of.total()});
      const auto from = parts_of(cuts, "MPI_Ialltoallv"), to = parts_of(of, "MPI_Ialltoallv");
      from->sizes[std::size_t(rank_)] = 0;
      return begin(
          "MPI_Ialltoallv",
          [&](MPI_Request* request) {
            return MPI_Ialltoallv(values.data(), from->sizes.data(), from->at.data(), sum_type<T>(), others.data(),
                                  to->sizes.data(), to->at.data(), sum_type<T>(), group_, request);
          },
          [from, to, values, others, own] {
            for (std::int64_t at = 0; at < others.size(); at += own.size())
              for (std::int64_t i = 0; i < own.size(); ++i) own.data()[i] += others.data()[at + i];
          });
    }
  }

  template <class T>
  Pending all_gather(const Tensor<T, Cpu>& values, const Cuts& cuts) {
    cuts.require(values.size(), size_);
    traffic_ += Traffic::of_all_gather(cuts, rank_, sizeof(T));
    const auto parts = parts_of(cuts, "MPI_Iallgatherv");
    return begin(
        "MPI_Iallgatherv",
        [&](MPI_Request* request) {
          return MPI_Iallgatherv(MPI_IN_PLACE, 0, MPI_DATATYPE_NULL, values.data(), parts->sizes.data(),
                                 parts->at.data(), copied_type<T>(), group_, request);
        },
        [parts, values] {});
  }

  template <class T>
  Pending all_to_all(const Tensor<T, Cpu>& sent, const Cuts& cuts, const Tensor<T, Cpu>& received, const Cuts& of) {
    cuts.require(sent.size(), size_);
    of.require(received.size(), size_);
    traffic_ += Traffic::of_all_to_all(cuts, rank_, sizeof(T));
    const auto from = parts_of(cuts, "MPI_Ialltoallv"), to = parts_of(of, "MPI_Ialltoallv");
    return begin(
        "MPI_Ialltoallv",
        [&](MPI_Request* request) {
          return MPI_Ialltoallv(sent.data(), from->sizes.data(), from->at.data(), copied_type<T>(), received.data(),
                                to->sizes.data(), to->at.data(), copied_type<T>(), group_, request);
        },
        [from, to, sent, received] {});
  }

  template <class T>
  Pending broadcast(const Tensor<T, Cpu>& values, int root = 0) {
    traffic_ += Traffic::of_broadcast(values.size(), size_, rank_, root, sizeof(T));
    const int n = count(values.size(), "MPI_Ibcast");
    return begin(
        "MPI_Ibcast",
        [&](MPI_Request* request) { return MPI_Ibcast(values.data(), n, copied_type<T>(), root, group_, request); },
        [values] {});
  }

  Pending barrier() {
    traffic_ += Traffic::of_barrier(size_);
    return begin("MPI_Ibarrier", [&](MPI_Request* request) { return MPI_Ibarrier(group_, request); }, {});
  }

  /// Says why on standard error, with the rank, and ends the programs of all ranks at once.
  [[noreturn]] void abort(std::string_view why) {
    std::fprintf(stderr, "modelgrow: rank %d of %d: %.*s\n", rank_, size_, int(why.size()), why.data());
    MPI_Abort(group_, 1);
    std::terminate();
  }

 private:
  template <class Start>
  Pending begin(std::string_view call, Start start, std::function<void()> then) {
    auto request = std::make_unique<detail::MpiRequest>(call, rank_);
    detail::require_mpi(start(request->handle()), call, rank_);
    return Pending(std::move(request), std::move(then));
  }
  void require(int status, std::string_view call) const { detail::require_mpi(status, call, rank_); }

  /// MPI counts in int.
  int count(std::int64_t n, std::string_view call) const {
    if (n > std::numeric_limits<int>::max())
      throw communication_error(std::string(call) + " on rank " + std::to_string(rank_) + " takes at most " +
                                std::to_string(std::numeric_limits<int>::max()) + " elements; " + std::to_string(n) +
                                " were given: call it for one part after the other");
    return int(n);
  }
  std::shared_ptr<detail::MpiParts> parts_of(const Cuts& cuts, std::string_view call) const {
    auto parts = std::make_shared<detail::MpiParts>();
    count(cuts.total(), call);
    for (int r = 0; r < size_; ++r) {
      parts->sizes.push_back(int(cuts.size(r)));
      parts->at.push_back(int(cuts.begin(r)));
    }
    return parts;
  }
  /// Memory for what arrives, used again by later operations.
  template <class T>
  Tensor<T, Cpu> scratch(const Shape& shape) {
    return Tensor<T, Cpu>(shape, pool_.allocate(sizeof(T) * std::size_t(numel(shape))));
  }
  template <class T>
  static MPI_Datatype sum_type() {
    static_assert(std::same_as<T, float> || std::same_as<T, double>, "sums over ranks are of float or double");
    return std::same_as<T, float> ? MPI_FLOAT : MPI_DOUBLE;
  }
  template <class T>
  static MPI_Datatype copied_type() {
    static_assert(std::is_trivially_copyable_v<T> &&
                  (sizeof(T) == 1 || sizeof(T) == 2 || sizeof(T) == 4 || sizeof(T) == 8));
    return sizeof(T) == 1 ? MPI_UINT8_T : sizeof(T) == 2 ? MPI_UINT16_T : sizeof(T) == 4 ? MPI_UINT32_T : MPI_UINT64_T;
  }

  template <class T>
  static void sum_rows(const Tensor<T, Cpu>& rows, int n, const Tensor<T, Cpu>& sum) {
    TreeSum<T, Cpu> tree;
    for (int r = 0; r < n; ++r) tree.add(rows.view(r * sum.size(), Shape{sum.size()}));
    Cpu::copy(sum.data(), tree.take().data(), sum.bytes());
  }
  template <class T>
  static Tensor<float, Cpu> widened(const Tensor<T, Cpu>& values) {
    Tensor<float, Cpu> wide(values.shape());
    for (std::int64_t i = 0; i < values.size(); ++i) wide.data()[i] = float(values.data()[i]);
    return wide;
  }
  template <class T>
  static void narrow(const Tensor<float, Cpu>& wide, const Tensor<T, Cpu>& values) {
    for (std::int64_t i = 0; i < wide.size(); ++i) values.data()[i] = T(wide.data()[i]);
  }

  MPI_Comm group_ = MPI_COMM_NULL;
  int rank_ = 0, size_ = 1, exceptions_;
  bool ends_mpi_ = false;
  Traffic traffic_;
  Pool<Cpu> pool_;
};

}  // namespace modelgrow::inline v0
