// SPDX-License-Identifier: MIT
// What NCCL and CUDA are asked for: on which stream, in which order, of which size and in which group; what happens
// when they fail; and which GPU a rank takes.
#include <modelgrow/dist/nccl.cuh>
#include <modelgrow/dist/own_gpu.cuh>
#include <modelgrow/dist/single.hpp>

#include "tests/dist/support/ranks.hpp"
#include "tests/nccl_on_host/support/backend.hpp"
#include "tests/nccl_on_host/support/nccl_double.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

namespace mg = modelgrow;
using cuda_double::log_of;
using mg::testing::message_of;
using mg::testing::ranks;
using mg::testing::says;
using Floats = mg::Tensor<float, mg::Cuda>;
using Log = std::vector<std::string>;

namespace {

/// A call on the stream of the group, behind what the context was given and before whoever waits for it.
Log ordered(Log calls) {
  calls.insert(calls.begin(), {"record compute", "own waits for compute"});
  calls.push_back("record own");
  return calls;
}
/// The same in one group.
Log grouped(Log calls) {
  calls.insert(calls.begin(), "ncclGroupStart");
  calls.push_back("ncclGroupEnd");
  return ordered(calls);
}
/// Parts of 7, 0, 14, 21 elements.
mg::Cuts uneven() {
  std::vector<std::int64_t> sizes;
  for (int r = 0; r < ranks().size(); ++r) sizes.push_back(r == 0 ? 7 : 7 * (r == 1 ? 0 : r));
  return mg::Cuts::of_sizes(sizes);
}
std::string on_rank() { return " failed on rank " + std::to_string(ranks().rank()) + ": "; }

}  // namespace

TEST_CASE("operations are calls of NCCL on its stream, between events") {
  mg::Nccl gpus(ranks());
  const int n = gpus.size();
  const Floats x = Floats::zeros({12 * n});
  const mg::Cuts even = mg::Cuts::even(12 * n, n);
  const std::string whole = std::to_string(12 * n), bytes = std::to_string(48 * n);
  CHECK(log_of([&] { gpus.all_reduce(x).wait(); }) == ordered({"ncclAllReduce(" + whole + " of 4 bytes) on own"}));
  CHECK(log_of([&] { gpus.reduce_scatter(x, even).wait(); }) == ordered({"ncclReduceScatter(12 of 4 bytes) on own"}));
  CHECK(log_of([&] { gpus.all_gather(x, even).wait(); }) == ordered({"ncclAllGather(48 of 1 bytes) on own"}));
  CHECK(log_of([&] { gpus.broadcast(x, 1).wait(); }) ==
        ordered({"ncclBroadcast(root 1, " + bytes + " of 1 bytes) on own"}));
  CHECK(log_of([&] { gpus.barrier().wait(); }) == ordered({"ncclAllReduce(1 of 4 bytes) on own"}));
  const auto doubles = mg::Tensor<double, mg::Cuda>::zeros({3});
  CHECK(log_of([&] { gpus.all_reduce(doubles).wait(); }) == ordered({"ncclAllReduce(3 of 8 bytes) on own"}));
}

TEST_CASE("parts of different sizes are one group of calls, without those of empty parts") {
  mg::Nccl gpus(ranks());
  const int n = gpus.size(), own = gpus.rank();
  const mg::Cuts cuts = uneven();
  const Floats x = Floats::zeros({cuts.total()}), y = Floats::zeros({n * cuts.size(own)});
  Log sums, copies, exchanges;
  for (int r = 0; r < n; ++r) {
    const std::string root = "root " + std::to_string(r) + ", ", peer = std::to_string(r) + ", ";
    const auto bytes = [](std::int64_t size) { return std::to_string(4 * size) + " of 1 bytes) on own"; };
    if (cuts.size(r) > 0) {
      sums.push_back("ncclReduce(" + root + std::to_string(cuts.size(r)) + " of 4 bytes) on own");
      copies.push_back("ncclBroadcast(" + root + bytes(cuts.size(r)));
    }
    if (r == own) continue;
    if (cuts.size(r) > 0) exchanges.push_back("ncclSend(to " + peer + bytes(cuts.size(r)));
    if (cuts.size(own) > 0) exchanges.push_back("ncclRecv(from " + peer + bytes(cuts.size(own)));
  }
  CHECK(log_of([&] { gpus.reduce_scatter(x, cuts).wait(); }) == grouped(sums));
  CHECK(log_of([&] { gpus.all_gather(x, cuts).wait(); }) == grouped(copies));
  CHECK(log_of([&] { gpus.all_to_all(x, cuts, y, mg::Cuts::even(y.size(), n)).wait(); }) == grouped(exchanges));
}

TEST_CASE("an operation keeps what it works on until it has ended") {
  mg::Nccl gpus(ranks());
  const int before = cuda_double::objects();
  mg::Pending sum = gpus.all_reduce(Floats::zeros({12}));
  CHECK(cuda_double::objects() == before + 2);  // the tensor and an event
  sum.wait();
  CHECK(cuda_double::objects() == before);
}

TEST_CASE("a call that NCCL refuses ends the communicator and names call, rank and reason") {
  const mg::Cuts cuts = uneven();
  const Floats x = Floats::zeros({cuts.total()});
  const auto attempt = [&](const std::string& call, auto f) {
    mg::Nccl gpus(ranks());
    const int aborted = nccl_double::state().aborted;
    cuda_double::fail(call, ncclSystemError);
    const std::string said = message_of<mg::communication_error>([&] { f(gpus); });
    CHECK(nccl_double::state().aborted == aborted + 1);
    CHECK(says(message_of<mg::communication_error>([&] { gpus.barrier().wait(); }),
               "ncclAllReduce on rank " + std::to_string(gpus.rank()) + ": the communicator was given up when " + call +
                   on_rank() + "system error"));
    return said;
  };
  for (const std::string call : {"ncclGroupStart", "ncclReduce", "ncclGroupEnd"})
    CHECK(says(attempt(call, [&](auto& gpus) { gpus.reduce_scatter(x, cuts).wait(); }),
               call + on_rank() + "system error (what the library saw)", "see whether all ranks live"));
  CHECK(says(attempt("ncclAllReduce", [&](auto& gpus) { gpus.all_reduce(x).wait(); }),
             "ncclAllReduce" + on_rank() + "system error"));
  CHECK(nccl_double::state().groups == 0);
  // The group that a call failed in was closed: others are begun at once.
  mg::Nccl gpus(ranks());
  gpus.all_gather(x, cuts).wait();
}

TEST_CASE("what fails while it is under way is noticed by who asks or waits, and ends the communicator") {
  const Floats x = Floats::zeros({12});
  for (const bool waits : {false, true}) {
    mg::Nccl gpus(ranks());
    mg::Pending first = gpus.all_reduce(x), second = gpus.broadcast(x);
    nccl_double::state().hangs = true;
    CHECK_FALSE(first.test());
    nccl_double::state().late = ncclRemoteError;
    CHECK(says(message_of<mg::communication_error>([&] { waits ? first.wait() : void(first.test()); }),
               "ncclAllReduce" + on_rank() + "remote process exited (what the library saw)"));
    nccl_double::state() = {.aborted = nccl_double::state().aborted};
    CHECK(says(message_of<mg::communication_error>([&] { second.wait(); }), "ncclBroadcast on rank",
               "given up when ncclAllReduce" + on_rank()));
  }
  CHECK(nccl_double::state().groups == 0);
  mg::Nccl gpus(ranks());
  mg::Pending sum = gpus.all_reduce(x);
  nccl_double::state().hangs = true;
  cuda_double::fail("ncclCommGetAsyncError", ncclSystemError);
  CHECK(says(message_of<mg::communication_error>([&] { sum.wait(); }), "ncclCommGetAsyncError" + on_rank()));
  nccl_double::state().hangs = false;
}

TEST_CASE("a group that cannot be made says why on every rank, and leaves nothing") {
  const auto attempt = [] { return message_of<mg::communication_error>([] { mg::Nccl gpus(ranks()); }); };
  { mg::Nccl once(ranks()); }  // the stream of the context is there from now on
  const int before = cuda_double::objects();
  if (ranks().rank() == 0) cuda_double::fail("ncclGetUniqueId", ncclSystemError);
  CHECK(says(attempt(), "ncclGetUniqueId failed on rank 0: system error", "NCCL_SOCKET_IFNAME"));
  cuda_double::fail("ncclCommInitRank", ncclSystemError);
  CHECK(says(attempt(), "ncclCommInitRank" + on_rank() + "system error"));
  for (const std::string call : {"cudaDeviceGetStreamPriorityRange", "cudaStreamCreateWithPriority"}) {
    const int aborted = nccl_double::state().aborted;
    cuda_double::fail(call, cudaErrorMemoryAllocation);
    CHECK(says(message_of<mg::device_error>([] { mg::Nccl gpus(ranks()); }), "nccl_link.cuh"));
    CHECK(nccl_double::state().aborted == aborted + 1);
  }
  CHECK(nccl_double::state().groups == 0);
  CHECK(cuda_double::objects() == before);
}

TEST_CASE("an error of CUDA is one of the device, and says of which call") {
  mg::Nccl gpus(ranks());
  const Floats x = Floats::zeros({12});
  for (const auto& [call, what] :
       {std::pair("cudaEventCreateWithFlags", "creating an event"), std::pair("cudaEventRecord", "recording an event"),
        std::pair("cudaStreamWaitEvent", "ordering two streams"), std::pair("cudaEventQuery", "asking for an event")}) {
    cuda_double::fail(call, cudaErrorLaunchFailure);
    CHECK(says(message_of<mg::device_error>([&] { gpus.all_reduce(x).wait(); }), what));
    ranks().barrier().wait();
  }
}

TEST_CASE("a rank that ends by an exception waits for nobody") {
  const int aborted = nccl_double::state().aborted;
  CHECK_THROWS_AS(
      [] {
        mg::Nccl gpus(ranks());
        throw mg::error("no more data");
      }(),
      mg::error);
  CHECK(nccl_double::state().aborted == aborted + 1);
  CHECK(nccl_double::state().groups == 0);
}

TEST_CASE("ranks of one machine take a GPU each, those that see only their own the first") {
  using Places = std::vector<std::string>;
  const int n = ranks().size(), own = ranks().rank();
  Places all;
  for (int r = 0; r < n; ++r) all.push_back("0000:0" + std::to_string(r) + ":00.0");
  cuda_double::gpus() = {.places = all};
  CHECK(mg::take_own_gpu(ranks()) == own);
  CHECK(cuda_double::gpus().chosen == own);
  cuda_double::gpus() = {.places = {all[std::size_t(own)]}};
  CHECK(mg::take_own_gpu(ranks()) == 0);
  CHECK(cuda_double::gpus().chosen == 0);

  all.pop_back();
  cuda_double::gpus() = {.places = all};
  CHECK(says(message_of<mg::device_error>([] { mg::take_own_gpu(ranks()); }),
             "rank 0 is one of " + std::to_string(n) + " on '", "' that see " + std::to_string(n - 1) + " GPUs",
             "start as many ranks as a machine has GPUs"));
  cuda_double::gpus() = {.places = {all[0]}};
  cuda_double::fail("cudaGetDeviceCount", cudaErrorNoDevice);
  CHECK(says(message_of<mg::device_error>([] { mg::take_own_gpu(ranks()); }), "that see 0 GPUs"));
  cuda_double::gpus() = {.places = all};
  cuda_double::fail("cudaDeviceGetPCIBusId", cudaErrorInvalidValue);
  CHECK(says(message_of<mg::device_error>([] { mg::take_own_gpu(ranks()); }), "asking for the place of a GPU"));
  cuda_double::gpus() = {};
}
