// SPDX-License-Identifier: MIT
#include "tests/nccl_on_host/support/nccl_double.hpp"

#include <mpi.h>

#include <cstring>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "tests/nccl_on_host/support/cuda_double.hpp"

struct ncclComm {
  MPI_Comm ranks = MPI_COMM_NULL;
  int rank = 0, size = 1;
  bool aborted = false;
};

namespace nccl_double {
namespace {

using Bytes = std::vector<char>;

/// One operation: what MPI makes of `in`, as `out`.
struct Operation {
  ncclComm* group = nullptr;
  const void* from = nullptr;
  void* to = nullptr;
  std::size_t bytes_in = 0, bytes_out = 0;
  std::function<void(const Bytes& in, Bytes& out, MPI_Request*)> post = {};
  Bytes in = {}, out = {};
  MPI_Request request = MPI_REQUEST_NULL;

  void begin() {
    if (group->aborted || state().hangs) return;
    const cuda_double::Access access;
    in.resize(bytes_in);
    out.resize(bytes_out);
    if (bytes_in > 0) std::memcpy(in.data(), from, bytes_in);
    post(in, out, &request);
  }
  bool done() {
    if (group->aborted) return true;
    if (state().hangs) return false;
    int ended = 0;
    MPI_Test(&request, &ended, MPI_STATUS_IGNORE);
    if (!ended) return false;
    const cuda_double::Access access;
    if (bytes_out > 0 && !out.empty()) std::memcpy(to, out.data(), bytes_out);
    out.clear();
    return true;
  }
};

int depth = 0;
std::vector<std::pair<cudaStream_t, Operation>> waiting;  // for the end of the group
ncclResult_t failed = ncclSuccess;                        // a call inside of it
std::vector<std::unique_ptr<ncclComm>> given_up;          // which work of streams still knows

void give(cudaStream_t stream, std::vector<Operation> together) {
  const auto all = std::make_shared<std::vector<Operation>>(std::move(together));
  cuda_double::give(stream, {.begin =
                                 [all] {
                                   for (Operation& o : *all) o.begin();
                                 },
                             .done =
                                 [all] {
                                   bool done = true;
                                   for (Operation& o : *all) done = o.done() && done;
                                   return done;
                                 }});
}

std::size_t size_of(ncclDataType_t type) {
  return type == ncclUint8 ? 1 : type == ncclInt32 || type == ncclFloat32 ? 4 : type == ncclFloat64 ? 8 : 0;
}
MPI_Datatype mpi_type(ncclDataType_t type) {
  return type == ncclUint8     ? MPI_UINT8_T
         : type == ncclInt32   ? MPI_INT32_T
         : type == ncclFloat32 ? MPI_FLOAT
                               : MPI_DOUBLE;
}
MPI_Op mpi_sum(ncclRedOp_t op) { return op == ncclSum ? MPI_SUM : MPI_MAX; }

/// Takes the operation, or refuses it.
ncclResult_t call(const std::string& name, const std::string& peer, std::size_t count, ncclDataType_t type,
                  cudaStream_t stream, Operation o) {
  cuda_double::log().push_back(name + "(" + peer + std::to_string(count) + " of " + std::to_string(size_of(type)) +
                               " bytes) on " + cuda_double::name_of(stream));
  ncclResult_t result = ncclResult_t(cuda_double::failure_of(name));
  if (result == ncclSuccess && (o.group == nullptr || o.group->aborted || size_of(type) == 0))
    result = ncclInvalidArgument;
  if (result != ncclSuccess) {
    if (depth > 0) failed = result;
    return result;
  }
  if (depth > 0)
    waiting.emplace_back(stream, std::move(o));
  else
    give(stream, {std::move(o)});
  return ncclSuccess;
}
std::string root(int r) { return "root " + std::to_string(r) + ", "; }

}  // namespace

State& state() {
  static State state;
  return state;
}

}  // namespace nccl_double

using namespace nccl_double;

extern "C" {

const char* ncclGetErrorString(ncclResult_t result) {
  return result == ncclRemoteError ? "remote process exited" : result == ncclSystemError ? "system error" : "an error";
}
const char* ncclGetLastError(ncclComm_t group) { return group ? "what the library saw" : ""; }
ncclResult_t ncclGetUniqueId(ncclUniqueId* id) {
  std::memset(id, 42, sizeof *id);
  return ncclResult_t(cuda_double::failure_of("ncclGetUniqueId"));
}
ncclResult_t ncclCommInitRank(ncclComm_t* made, int ranks, ncclUniqueId id, int rank) {
  if (const int failure = cuda_double::failure_of("ncclCommInitRank")) return ncclResult_t(failure);
  for (const char c : id.internal)
    if (c != 42) return ncclInvalidArgument;  // not what rank 0 was given
  auto* group = new ncclComm{.rank = rank, .size = ranks};
  MPI_Comm_dup(ranks == 1 ? MPI_COMM_SELF : MPI_COMM_WORLD, &group->ranks);
  int size = 0, own = 0;
  MPI_Comm_size(group->ranks, &size);
  MPI_Comm_rank(group->ranks, &own);
  *made = group;
  ++state().groups;
  return size == ranks && own == rank ? ncclSuccess : ncclInvalidArgument;
}
ncclResult_t ncclCommDestroy(ncclComm_t group) {
  MPI_Comm_free(&group->ranks);
  delete group;
  --state().groups;
  return ncclSuccess;
}
ncclResult_t ncclCommAbort(ncclComm_t group) {
  given_up.emplace_back(group)->aborted = true;
  --state().groups;
  ++state().aborted;
  return ncclSuccess;
}
ncclResult_t ncclCommGetAsyncError(ncclComm_t group, ncclResult_t* result) {
  if (group == nullptr || group->aborted) return ncclInvalidArgument;
  *result = state().late;
  return ncclResult_t(cuda_double::failure_of("ncclCommGetAsyncError"));
}

ncclResult_t ncclGroupStart() {
  cuda_double::log().push_back("ncclGroupStart");
  if (const int failure = cuda_double::failure_of("ncclGroupStart")) return ncclResult_t(failure);
  ++depth;
  return ncclSuccess;
}
ncclResult_t ncclGroupEnd() {
  cuda_double::log().push_back("ncclGroupEnd");
  if (depth == 0) return ncclInvalidUsage;
  if (--depth > 0) return ncclSuccess;
  auto all = std::exchange(waiting, {});
  if (const ncclResult_t inside = std::exchange(failed, ncclSuccess); inside != ncclSuccess) return inside;
  if (const int failure = cuda_double::failure_of("ncclGroupEnd")) return ncclResult_t(failure);
  std::vector<Operation> together;
  for (auto& [stream, o] : all) {
    if (stream != all.front().first) return ncclInvalidUsage;  // of one stream, as they are called here
    together.push_back(std::move(o));
  }
  if (!together.empty()) give(all.front().first, std::move(together));
  return ncclSuccess;
}

ncclResult_t ncclAllReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                           ncclComm_t group, cudaStream_t stream) {
  const std::size_t bytes = count * size_of(type);
  return call("ncclAllReduce", "", count, type, stream,
              {.group = group,
               .from = from,
               .to = to,
               .bytes_in = bytes,
               .bytes_out = bytes,
               .post = [=](const Bytes& in, Bytes& out, MPI_Request* r) {
                 MPI_Iallreduce(in.data(), out.data(), int(count), mpi_type(type), mpi_sum(op), group->ranks, r);
               }});
}
ncclResult_t ncclReduce(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t op, int to_rank,
                        ncclComm_t group, cudaStream_t stream) {
  const std::size_t bytes = count * size_of(type);
  return call("ncclReduce", root(to_rank), count, type, stream,
              {.group = group,
               .from = from,
               .to = to,
               .bytes_in = bytes,
               .bytes_out = group->rank == to_rank ? bytes : 0,
               .post = [=](const Bytes& in, Bytes& out, MPI_Request* r) {
                 MPI_Ireduce(in.data(), out.data(), int(count), mpi_type(type), mpi_sum(op), to_rank, group->ranks, r);
               }});
}
ncclResult_t ncclReduceScatter(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclRedOp_t op,
                               ncclComm_t group, cudaStream_t stream) {
  const std::size_t bytes = count * size_of(type);
  return call("ncclReduceScatter", "", count, type, stream,
              {.group = group,
               .from = from,
               .to = to,
               .bytes_in = bytes * std::size_t(group->size),
               .bytes_out = bytes,
               .post = [=](const Bytes& in, Bytes& out, MPI_Request* r) {
                 MPI_Ireduce_scatter_block(in.data(), out.data(), int(count), mpi_type(type), mpi_sum(op), group->ranks,
                                           r);
               }});
}
ncclResult_t ncclAllGather(const void* from, void* to, std::size_t count, ncclDataType_t type, ncclComm_t group,
                           cudaStream_t stream) {
  const std::size_t bytes = count * size_of(type);
  return call("ncclAllGather", "", count, type, stream,
              {.group = group,
               .from = from,
               .to = to,
               .bytes_in = bytes,
               .bytes_out = bytes * std::size_t(group->size),
               .post = [=](const Bytes& in, Bytes& out, MPI_Request* r) {
                 MPI_Iallgather(in.data(), int(bytes), MPI_BYTE, out.data(), int(bytes), MPI_BYTE, group->ranks, r);
               }});
}
ncclResult_t ncclBroadcast(const void* from, void* to, std::size_t count, ncclDataType_t type, int from_rank,
                           ncclComm_t group, cudaStream_t stream) {
  if (group && (from_rank < 0 || from_rank >= group->size)) return ncclInvalidArgument;
  const std::size_t bytes = count * size_of(type);
  return call("ncclBroadcast", root(from_rank), count, type, stream,
              {.group = group,
               .from = from,
               .to = to,
               .bytes_in = group->rank == from_rank ? bytes : 0,
               .bytes_out = bytes,
               .post = [=](const Bytes& in, Bytes& out, MPI_Request* r) {
                 if (group->rank == from_rank) out = in;
                 MPI_Ibcast(out.data(), int(bytes), MPI_BYTE, from_rank, group->ranks, r);
               }});
}
ncclResult_t ncclSend(const void* from, std::size_t count, ncclDataType_t type, int peer, ncclComm_t group,
                      cudaStream_t stream) {
  return call("ncclSend", "to " + std::to_string(peer) + ", ", count, type, stream,
              {.group = group,
               .from = from,
               .bytes_in = count * size_of(type),
               .post = [=](const Bytes& in, Bytes&, MPI_Request* r) {
                 MPI_Isend(in.data(), int(in.size()), MPI_BYTE, peer, 0, group->ranks, r);
               }});
}
ncclResult_t ncclRecv(void* to, std::size_t count, ncclDataType_t type, int peer, ncclComm_t group,
                      cudaStream_t stream) {
  return call("ncclRecv", "from " + std::to_string(peer) + ", ", count, type, stream,
              {.group = group,
               .to = to,
               .bytes_out = count * size_of(type),
               .post = [=](const Bytes&, Bytes& out, MPI_Request* r) {
                 MPI_Irecv(out.data(), int(out.size()), MPI_BYTE, peer, 0, group->ranks, r);
               }});
}

}  // extern "C"
