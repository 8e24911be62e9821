// SPDX-License-Identifier: MIT
// The GPUs of a group of processes, one each, as a group: collective operations of NCCL, none of which blocks. Not yet
// run on hardware.
#pragma once
#include <concepts>
#include <cstring>
#include <functional>
#include <memory>
#include <string_view>
#include <utility>

#include <modelgrow/core/stat.hpp>
#include <modelgrow/dist/communicator.hpp>
#include <modelgrow/dist/nccl_link.cuh>
#include <modelgrow/dist/tree_sum.hpp>

namespace modelgrow::inline v0 {

/// The ranks of another communicator, as a group whose tensors are on the GPU that is current in each of them:
///   modelgrow::Mpi processes;
///   modelgrow::take_own_gpu(processes);
///   modelgrow::Nccl ranks(processes);
/// It needs the other one to meet and to abort, and is destroyed before it, after every Pending of its own. Operations
/// follow what the thread's CudaContext was given before them, and what it is given when they have ended follows them.
/// Parts of different sizes go as one group of NCCL's calls, one for each part.
class Nccl {
 public:
  /// Throws communication_error, device_error.
  template <Communicator C>
  explicit Nccl(C& processes)
      : rank_(processes.rank()),
        size_(processes.size()),
        end_([&processes](std::string_view why) { processes.abort(why); }),
        link_(size_, meeting_point(processes), rank_),
        token_(Tensor<int, Cuda>::zeros(Shape{1})) {}
  Nccl(Nccl&&) = delete;

  int rank() const { return rank_; }
  int size() const { return size_; }
  const Traffic& traffic() const { return traffic_; }

  /// Of float or double; in order, every rank gets the values of all others: for few of them.
  template <class T>
  Pending all_reduce(const Tensor<T, Cuda>& values, Sums sums = Sums::fast) {
    if constexpr (!std::same_as<T, Stat<T>>) {
      const auto wide = widened(values);
      return all_reduce(wide, sums).and_then([=] { narrow(wide, values); });
    } else if (sums == Sums::ordered) {
      const Tensor<T, Cuda> all(Shape{size_, values.size()});
      const auto own = all.view(rank_ * values.size(), Shape{values.size()});
      Cuda::copy(own.data(), values.data(), values.bytes());
      return all_gather(all, Cuts::even(all.size(), size_)).and_then([=, n = size_] { sum_rows(all, n, values); });
    } else {
      traffic_ += Traffic::of_all_reduce(values.size(), size_, rank_, sizeof(T));
      return begin("ncclAllReduce", values, [&](ncclComm_t group, cudaStream_t stream) {
        return ncclAllReduce(values.data(), values.data(), std::size_t(values.size()), sum_type<T>(), ncclSum, group,
                             stream);
      });
    }
  }

  template <class T>
  Pending reduce_scatter(const Tensor<T, Cuda>& values, const Cuts& cuts, Sums sums = Sums::fast) {
    cuts.require(values.size(), size_);
    const auto own = cuts.part(values, rank_);
    if constexpr (!std::same_as<T, Stat<T>>) {
      const auto wide = widened(values);
      return reduce_scatter(wide, cuts, sums).and_then([=, r = rank_] { narrow(cuts.part(wide, r), own); });
    } else if (sums == Sums::ordered) {
      const Tensor<T, Cuda> all(Shape{size_, own.size()});
      return all_to_all(values, cuts, all, Cuts::even(all.size(), size_)).and_then([=, n = size_] {
        sum_rows(all, n, own);
      });
    } else {
      traffic_ += Traffic::of_reduce_scatter(cuts, rank_, sizeof(T));
      if (equal(cuts))
        return begin("ncclReduceScatter", values, [&](ncclComm_t group, cudaStream_t stream) {
          return ncclReduceScatter(values.data(), own.data(), std::size_t(own.size()), sum_type<T>(), ncclSum, group,
                                   stream);
        });
      return begin_parts("ncclReduce", values, [&](int r, ncclComm_t group, cudaStream_t stream) {
        const auto part = cuts.part(values, r);
        if (part.size() == 0) return ncclSuccess;
        return ncclReduce(part.data(), part.data(), std::size_t(part.size()), sum_type<T>(), ncclSum, r, group, stream);
      });
    }
  }

  template <class T>
  Pending all_gather(const Tensor<T, Cuda>& values, const Cuts& cuts) {
    cuts.require(values.size(), size_);
    traffic_ += Traffic::of_all_gather(cuts, rank_, sizeof(T));
    if (equal(cuts))
      return begin("ncclAllGather", values, [&](ncclComm_t group, cudaStream_t stream) {
        const auto own = cuts.part(values, rank_);
        return ncclAllGather(own.data(), values.data(), own.bytes(), ncclUint8, group, stream);
      });
    return begin_parts("ncclBroadcast", values, [&](int r, ncclComm_t group, cudaStream_t stream) {
      const auto part = cuts.part(values, r);
      if (part.size() == 0) return ncclSuccess;
      return ncclBroadcast(part.data(), part.data(), part.bytes(), ncclUint8, r, group, stream);
    });
  }

  /// What a rank sends to itself is copied; sent and received memory must not overlap.
  template <class T>
  Pending all_to_all(const Tensor<T, Cuda>& sent, const Cuts& cuts, const Tensor<T, Cuda>& received, const Cuts& of) {
    cuts.require(sent.size(), size_);
    of.require(received.size(), size_);
    if (cuts.size(rank_) != of.size(rank_))
      throw shape_error("all_to_all: rank " + std::to_string(rank_) + " has " + std::to_string(cuts.size(rank_)) +
                        " elements for itself and takes " + std::to_string(of.size(rank_)));
    traffic_ += Traffic::of_all_to_all(cuts, rank_, sizeof(T));
    const auto from_itself = cuts.part(sent, rank_), to_itself = of.part(received, rank_);
    Cuda::copy(to_itself.data(), from_itself.data(), from_itself.bytes());
    return begin_parts("ncclSend and ncclRecv", std::pair(sent, received),
                       [&](int r, ncclComm_t group, cudaStream_t stream) {
                         const auto from = cuts.part(sent, r), to = of.part(received, r);
                         ncclResult_t done = ncclSuccess;
                         if (r != rank_ && from.size() > 0)
                           done = ncclSend(from.data(), from.bytes(), ncclUint8, r, group, stream);
                         if (r != rank_ && to.size() > 0 && done == ncclSuccess)
                           done = ncclRecv(to.data(), to.bytes(), ncclUint8, r, group, stream);
                         return done;
                       });
  }

  template <class T>
  Pending broadcast(const Tensor<T, Cuda>& values, int root = 0) {
    traffic_ += Traffic::of_broadcast(values.size(), size_, rank_, root, sizeof(T));
    return begin("ncclBroadcast", values, [&](ncclComm_t group, cudaStream_t stream) {
      return ncclBroadcast(values.data(), values.data(), values.bytes(), ncclUint8, root, group, stream);
    });
  }

  Pending barrier() {
    traffic_ += Traffic::of_barrier(size_);
    return begin("ncclAllReduce", token_, [&](ncclComm_t group, cudaStream_t stream) {
      return ncclAllReduce(token_.data(), token_.data(), 1, ncclInt32, ncclMax, group, stream);
    });
  }

  /// Ends the programs of all ranks as the other communicator does; may be called from any thread.
  void abort(std::string_view why) { end_(why); }

 private:
  /// Where rank 0 will meet the others; it tells them by the other communicator, also that it could not.
  template <class C>
  static ncclUniqueId meeting_point(C& processes) {
    struct Said {
      ncclUniqueId id;
      ncclResult_t result;
    } said = {.id = {}, .result = ncclSuccess};
    if (processes.rank() == 0) said.result = ncclGetUniqueId(&said.id);
    const Tensor<std::uint8_t, Cpu> bytes(Shape{sizeof said});
    std::memcpy(bytes.data(), &said, sizeof said);
    processes.broadcast(bytes, 0).wait();
    std::memcpy(&said, bytes.data(), sizeof said);
    if (said.result != ncclSuccess)
      throw communication_error(std::string("ncclGetUniqueId failed on rank 0: ") + ncclGetErrorString(said.result) +
                                "; NCCL_DEBUG=INFO says more, and NCCL_SOCKET_IFNAME chooses a network");
    return said.id;
  }

  /// call(group, stream) behind what the thread's context was given; `kept` lives until it has ended.
  template <class Kept, class Call>
  Pending begin(std::string_view name, Kept kept, Call call) {
    const ncclComm_t group = link_.group(name);
    detail::CudaEvent given;
    given.record(CudaContext::current().stream());
    given.hold_back(link_.stream());
    auto operation = std::make_unique<detail::NcclOperation>(link_, name);
    link_.require(call(group, link_.stream()), name);
    operation->begun();
    return Pending(std::move(operation), [kept] {});
  }
  /// The same for call(r, group, stream) of every rank r, as one operation of NCCL.
  template <class Kept, class Call>
  Pending begin_parts(std::string_view name, Kept kept, Call call) {
    return begin(name, kept, [&](ncclComm_t group, cudaStream_t stream) {
      link_.require(ncclGroupStart(), "ncclGroupStart");
      ncclResult_t first = ncclSuccess;
      for (int r = 0; r < size_ && first == ncclSuccess; ++r) first = call(r, group, stream);
      const ncclResult_t all = ncclGroupEnd();
      link_.require(first, name);
      link_.require(all, "ncclGroupEnd");
      return ncclSuccess;
    });
  }
  static bool equal(const Cuts& cuts) {
    for (int r = 1; r < cuts.ranks(); ++r)
      if (cuts.size(r) != cuts.size(0)) return false;
    return true;
  }
  template <class T>
  static ncclDataType_t sum_type() {
    static_assert(std::same_as<T, float> || std::same_as<T, double>, "sums over ranks are of float or double");
    return std::same_as<T, float> ? ncclFloat32 : ncclFloat64;
  }

  template <class T>
  static void sum_rows(const Tensor<T, Cuda>& rows, int n, const Tensor<T, Cuda>& sum) {
    if constexpr (std::same_as<T, double>) {  // which no kernel takes
      const auto total = tree_of(to_cpu(rows), n).take();
      Cuda::from_host(sum.data(), total.data(), sum.bytes());
    } else {
      Cuda::copy(sum.data(), tree_of(rows, n).take().data(), sum.bytes());
    }
  }
  template <class T, class D>
  static TreeSum<T, D> tree_of(const Tensor<T, D>& rows, int n) {
    TreeSum<T, D> tree;
    const std::int64_t size = rows.size() / n;
    for (int r = 0; r < n; ++r) tree.add(rows.view(r * size, Shape{size}));
    return tree;
  }
  template <class T, class D>  // of any device, since whoever only talks needs no backend
  static Tensor<float, D> widened(const Tensor<T, D>& values) {
    auto wide = Tensor<float, D>::zeros(values.shape());
    Backend<D>::collect(values.size(), values.data(), wide.data());
    return wide;
  }
  template <class T, class D>
  static void narrow(const Tensor<float, D>& wide, const Tensor<T, D>& values) {
    Backend<D>::narrow(wide.size(), wide.data(), values.data());
  }

  int rank_, size_;
  std::function<void(std::string_view)> end_;
  detail::NcclLink link_;
  Tensor<int, Cuda> token_;
  Traffic traffic_;
};

}  // namespace modelgrow::inline v0
