// SPDX-License-Identifier: MIT
// Work recorded as a graph: done when the graph is given out and not before, made anew only where the sequence of
// kernels and copies is another, with the memory that it uses kept; and a context that can be used whatever fails.
#include <modelgrow/backend/cuda/graph.cuh>

#include <optional>

#include "tests/nccl_on_host/support/backend.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

namespace mg = modelgrow;
using cuda_double::broken_rules;
using cuda_double::graph_objects;
using mg::CudaContext;
using mg::testing::message_of;
using mg::testing::says;
using Floats = mg::Tensor<float, mg::Cuda>;

namespace {

Floats of(float value) { return Floats::from({2}, std::vector{value, value}); }
float first(const Floats& x) { return mg::to_cpu(x).data()[0]; }
void add(const Floats& x, const Floats& y) { mg::Backend<mg::Cuda>::axpy(2, 1.0, x.data(), y.data()); }

}  // namespace

TEST_CASE("recorded work is done when its graph is given out, and what is given later behind it") {
  const Floats x = of(1), y = of(10);
  mg::CudaGraph graph;
  graph.run([&] {
    add(x, y);
    CHECK(CudaContext::current().recording());
  });
  CHECK_FALSE(CudaContext::current().recording());
  add(y, y);
  CHECK(first(y) == 22);
  CHECK(broken_rules().empty());
}

TEST_CASE("a graph is updated for other numbers and addresses, and made anew for another sequence") {
  const Floats x = of(1), y = of(10), z = of(100);
  mg::CudaGraph graph;
  const auto pass = [&](const Floats& to, double factor) {
    graph.run([&] { mg::Backend<mg::Cuda>::axpy(2, factor, x.data(), to.data()); });
  };
  pass(y, 1);
  pass(y, 2);
  pass(z, 3);
  CHECK(graph.made() == 1);
  CHECK(first(y) == 13);
  CHECK(first(z) == 103);
  graph.run([&] {
    add(x, y);
    add(x, y);
  });
  CHECK(graph.made() == 2);
  CHECK(cudaGetLastError() == cudaSuccess);
  CHECK(first(y) == 15);
  CHECK(broken_rules().empty());
}

TEST_CASE("bytes from the host and memory that was given back stay until the graph has run") {
  CudaContext context;
  const CudaContext::Use use(context);
  const int before = graph_objects().pinned;
  const Floats sum = of(0);
  mg::CudaGraph graph;
  for (const float value : {1.0f, 2.0f}) {
    graph.run([&] {
      std::vector<float> numbers{value, value};
      const Floats there = Floats::from({2}, numbers);
      numbers = {-5, -5};
      add(there, sum);
      add(of(10 * value), sum);
    });
    of(7);  // which would take the place of what was freed; waits
  }
  CHECK(first(sum) == 33);
  CHECK(graph.made() == 1);
  CHECK(graph_objects().pinned == before + 2);  // used again
  CHECK(broken_rules().empty());
}

TEST_CASE("nothing stays behind") {
  const auto graphs = graph_objects();
  const int before = cuda_double::objects();
  {
    CudaContext context;
    const CudaContext::Use use(context);
    const Floats y = of(1);
    mg::CudaGraph graph;
    graph.run([&] { add(of(2), y); });
    graph.run([&] { add(of(3), y); });  // waits for the first, whose bytes it needs no more
    graph.run([&] { add(y, y); });
    CHECK(graph_objects().executables == graphs.executables + 1);
    CHECK(graph_objects().graphs == graphs.graphs);
  }
  CHECK(cuda_double::objects() == before);
  CHECK(graph_objects() == graphs);
  CHECK(broken_rules().empty());
}

TEST_CASE("a graph goes on in another context") {
  mg::CudaGraph graph;
  std::optional<CudaContext> one(std::in_place), other(std::in_place);
  const Floats y = of(1);
  for (CudaContext* context : {&*one, &*other}) {
    const CudaContext::Use use(*context);
    graph.run([&] { add(y, y); });
    context->synchronize();
  }
  one.reset();
  CHECK(first(y) == 4);
  CHECK(graph.made() == 2);
  graph.run([] {});
}

TEST_CASE("copies and clearing of nothing are not recorded") {
  mg::CudaGraph graph;
  graph.run([] {
    const Floats none = Floats::zeros({0});
    none.clone();
    Floats::from({0}, {});
  });
  CHECK(broken_rules().empty());
}

TEST_CASE("waiting for what is recorded says what to do, and leaves a context that can be used") {
  const Floats y = of(1);
  mg::CudaGraph graph;
  const auto check = [&](auto wait) {
    const std::string said = message_of<mg::device_error>([&] {
      graph.run([&] {
        add(of(5), y);
        wait();
      });
    });
    CHECK(says(said, "waits for work that is being recorded", "behind the recorded part", "TrainerOptions::graph"));
    CHECK_FALSE(CudaContext::current().recording());
    CHECK(first(y) == 1);
  };
  check([&] { mg::to_cpu(y); });
  check([&] { CudaContext::current().synchronize(); });
  graph.run([&] { add(y, y); });
  CHECK(first(y) == 2);
  CHECK(broken_rules().empty());
}

TEST_CASE("an exception on the way drops what was recorded") {
  const auto graphs = graph_objects();
  const Floats y = of(1);
  mg::CudaGraph graph;
  const auto broken = [&] {
    add(of(5), y);
    throw mg::error("no more data");
  };
  CHECK(message_of<mg::error>([&] { graph.run(broken); }) == "no more data");
  CHECK(graph_objects().graphs == graphs.graphs);
  CHECK(graph_objects().executables == graphs.executables);
  CHECK(first(y) == 1);
  graph.run([&] { add(y, y); });
  CHECK(first(y) == 2);
  CHECK(broken_rules().empty());
}

TEST_CASE("a graph within a graph is refused") {
  mg::CudaGraph outer, inner;
  CHECK(says(message_of<mg::device_error>([&] { outer.run([&] { inner.run([] {}); }); }), "within another",
             "record both as one"));
  outer.run([] {});
}

TEST_CASE("a call of CUDA that fails is named, nothing is done, and the next graph is") {
  const Floats y = of(1);
  float expected = 1;
  for (const auto& [call, what] :
       {std::pair("cudaStreamBeginCapture", "beginning to record a graph"),
        std::pair("cudaStreamEndCapture", "recording a graph"), std::pair("cudaGraphInstantiate", "making a graph"),
        std::pair("cudaGraphLaunch", "giving out a graph"),
        std::pair("cudaMallocHost", "allocating host memory for a copy")}) {
    CudaContext context;  // with no pinned memory yet
    const CudaContext::Use use(context);
    mg::CudaGraph graph;
    const auto pass = [&] { graph.run([&] { add(of(1), y); }); };
    cuda_double::fail(call, cudaErrorUnknown);
    CHECK(says(message_of<mg::device_error>(pass), what));
    CHECK(first(y) == expected);
    pass();
    CHECK(first(y) == ++expected);
  }
  CHECK(broken_rules().empty());
}

TEST_CASE("a recording for which there is no memory says that it keeps memory, and frees nothing in use") {
  const Floats y = of(1);
  mg::CudaGraph graph;
  mg::Pool<mg::Cuda>& pool = mg::Cuda::pool();
  const auto pass = [&] {
    graph.run([&] {
      const Floats scratch(mg::Shape{2}, pool.allocate(512));
      mg::Backend<mg::Cuda>::fill(2, 3.0f, scratch.data());
      add(scratch, y);
      const std::shared_ptr<void> large = pool.allocate(1 << 20);
    });
  };
  const auto no_memory = [&] { cuda_double::fail("cudaMalloc", cudaErrorMemoryAllocation); };
  { const auto unused = pool.allocate(4096); }
  pass();  // makes what it needs
  CHECK(first(y) == 4);
  pool.trim();
  no_memory();
  CHECK(
      says(message_of<mg::device_error>(pass), "out of memory", "a graph is being recorded", "TrainerOptions::graph"));
  CHECK(first(y) == 4);
  { const auto unused = pool.allocate(4096); }  // another block is to be had: it is given back only behind the graph
  graph.run([&] {
    const Floats scratch(mg::Shape{2}, pool.allocate(512));
    mg::Backend<mg::Cuda>::fill(2, 3.0f, scratch.data());
    no_memory();
    const std::shared_ptr<void> large = pool.allocate(1 << 20);
    add(scratch, y);
  });
  CHECK(first(y) == 7);
  no_memory();
  CHECK_FALSE(says(message_of<mg::device_error>([] { mg::Cuda::allocate(8); }), "a graph is being recorded"));
  CHECK(broken_rules().empty());
}

TEST_CASE("the double sees what is against the rules") {
  cudaStream_t stream = CudaContext::current().stream();
  void* const memory = mg::Cuda::allocate(8);
  double host = 1;
  cudaGraph_t graph = nullptr;
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeRelaxed) == cudaSuccess);
  cudaMemcpyAsync(memory, &host, 8, cudaMemcpyHostToDevice, stream);
  cudaFree(memory);
  REQUIRE(cudaStreamEndCapture(stream, &graph) == cudaSuccess);
  cudaGraphExec_t executable = nullptr;
  REQUIRE(cudaGraphInstantiate(&executable, graph, 0) == cudaSuccess);
  cudaGraphDestroy(graph);
  REQUIRE(cudaStreamBeginCapture(stream, cudaStreamCaptureModeGlobal) == cudaSuccess);
  CHECK(cudaStreamSynchronize(stream) == cudaErrorStreamCaptureUnsupported);
  CHECK(cudaStreamEndCapture(stream, &graph) == cudaErrorStreamCaptureInvalidated);
  const std::size_t before = broken_rules().size();
  CHECK(before == 4);
  cudaGraphLaunch(executable, stream);
  cudaStreamSynchronize(stream);
  CHECK(broken_rules().size() > before);
  cudaGraphExecDestroy(executable);
  cudaGetLastError();  // of the wait; the next launch would find it
  broken_rules().clear();
}
