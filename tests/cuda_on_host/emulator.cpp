// SPDX-License-Identifier: MIT
// The emulator does what it is trusted for: it runs every thread, strides, keeps device memory from the host, and
// notices what would hang a GPU.
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <modelgrow/core/tensor.hpp>
#include <set>
#include <thread>

#include "tests/cuda_on_host/support/emulated.hpp"
#include "tests/support/catch.hpp"
#include "tests/support/message.hpp"

using namespace modelgrow;
using emulator::Misuse;
using kernels::Index;

namespace {

/// A kernel of `Threads` threads whose body is a function.
template <int Threads, class Memory, class Body>
struct Test {
  static constexpr int threads = Threads;
  using Shared = Memory;
  Index count;
  Body body;
  Index blocks() const { return count; }
  template <class Dev>
  void operator()(Dev dev, Shared& shared) const {
    body(dev, shared);
  }
};
template <int Threads, class Memory = kernels::NoShared, class Body>
void run(emulator::Machine& machine, Index blocks, Body body) {
  machine.launch(Test<Threads, Memory, Body>{.count = blocks, .body = body});
}

struct Slots {
  float at[64];
};

/// Needs a kilobyte of stack for each.
int deep(int calls) {
  volatile char frame[1024];
  frame[0] = char(calls);
  return calls == 0 ? 0 : deep(calls - 1) + frame[0];
}

}  // namespace

TEST_CASE("every thread of every block runs once, in any order") {
  for (const emulator::Order order : emulator::orders) {
    emulator::Machine machine;
    machine.configure({.order = order, .most_blocks = 100});
    std::vector<std::pair<Index, unsigned>> seen;
    run<64>(machine, 3, [&](auto dev, auto&) { seen.push_back({dev.block(), dev.thread()}); });
    CHECK(seen.size() == 3 * 64);
    CHECK(std::set(seen.begin(), seen.end()).size() == 3 * 64);
    CHECK(seen.front().second != seen.back().second);
  }
}

TEST_CASE("fewer blocks run than asked for, so a kernel that does not stride is wrong") {
  emulator::Machine machine;
  machine.configure({.most_blocks = 2});
  std::set<Index> blocks;
  Index grid = 0;
  run<32>(machine, 5, [&](auto dev, auto&) {
    blocks.insert(dev.block());
    grid = dev.blocks();
  });
  CHECK(blocks == std::set<Index>{0, 1});
  CHECK(grid == 2);
}

TEST_CASE("shared memory is not a number until it is written, in every block") {
  emulator::Machine machine;
  int numbers = 0;
  run<32, Slots>(machine, 2, [&](auto dev, auto& shared) {
    numbers += !std::isnan(shared.at[dev.thread()]);
    shared.at[dev.thread()] = 1;
  });
  CHECK(numbers == 0);
}

TEST_CASE("shuffles exchange values within a warp, one after another") {
  for (const emulator::Order order : emulator::orders) {
    emulator::Machine machine;
    machine.configure({.order = order});
    int wrong = 0;
    run<96>(machine, 1, [&](auto dev, auto&) {
      double v = dev.thread();
      for (const int mask : {1, 16, 3, 31}) {
        const double before = dev.shuffle_xor(v, mask);
        wrong += before != double(dev.thread() ^ unsigned(mask));
      }
      wrong += kernels::warp_sum(dev, 1.0) != 32;
      wrong += kernels::warp_max(dev, float(dev.thread())) != float(dev.thread() / 32 * 32 + 31);
    });
    CHECK(wrong == 0);
  }
}

TEST_CASE("a barrier separates what is written before from what is read after") {
  for (const emulator::Order order : emulator::orders) {
    emulator::Machine machine;
    machine.configure({.order = order});
    int wrong = 0, wrong_without = 0;
    const auto rotate = [&](int& count) {
      return [&](auto dev, auto& shared) {
        shared.at[dev.thread()] = float(dev.thread());
        dev.sync();
        count += shared.at[(dev.thread() + 1) % 64] != float((dev.thread() + 1) % 64);
      };
    };
    run<64, Slots>(machine, 1, rotate(wrong));
    CHECK(wrong == 0);
    machine.configure({.order = order, .defect = {.sync = 0}});
    run<64, Slots>(machine, 1, rotate(wrong_without));
    CHECK(wrong_without > 0);
  }
}

TEST_CASE("what would hang a GPU is reported, and the machine goes on working") {
  emulator::Machine machine;
  const auto half = [](auto dev, auto&) {
    if (dev.thread() < 32) dev.sync();
  };
  CHECK_THROWS_AS(run<64>(machine, 1, half), Misuse);
  const auto lone_lane = [](auto dev, auto&) {
    if (dev.thread() == 5) dev.sync_warp();
  };
  CHECK_THROWS_AS(run<64>(machine, 1, lone_lane), Misuse);
  int threads = 0;
  run<64>(machine, 1, [&](auto dev, auto&) {
    dev.sync();
    ++threads;
  });
  CHECK(threads == 64);
}

namespace {

struct Line {
  alignas(16) float at[4];
};
const Line line{{1, 2, 3, 4}};
struct Rows {
  alignas(16) bf16 at[64];
};
const Rows rows{};

}  // namespace

TEST_CASE("a copy takes place at once, or not before its thread waits for it") {
  for (const emulator::Copies copies : emulator::copy_times) {
    emulator::Machine machine;
    machine.configure({.copies = copies});
    bool early = false, there = false;
    run<32, Line>(machine, 1, [&](auto dev, auto& shared) {
      if (dev.thread() != 0) return;
      dev.copy_async(shared.at, line.at, 8);
      dev.commit_copies();
      dev.commit_copies();  // an empty group
      dev.template wait_copies<2>();
      early = !std::isnan(shared.at[1]);
      dev.template wait_copies<1>();
      there = shared.at[1] == 2 && shared.at[3] == 0;
    });
    CHECK(early == (copies == emulator::Copies::eager));
    CHECK(there);
  }
}

TEST_CASE("misused copies and matrices, and lanes that do different things, are reported") {
  const auto report = [](auto body) {
    emulator::Machine machine;
    return testing::message_of<Misuse>([&] { run<32, Rows>(machine, 1, body); });
  };
  CHECK(report([](auto dev, auto& shared) { dev.copy_async(shared.at + 4, rows.at); }) ==
        "block 0: thread 0 has an address that is not a multiple of 16");
  CHECK(testing::says(report([](auto dev, auto& shared) { dev.copy_async(shared.at, rows.at); }),
                      "leaves copies behind that nobody waited for"));
  CHECK(testing::says(report([](auto dev, auto& shared) {
                        std::uint32_t registers[1];
                        dev.load_matrix(registers, shared.at + 1);
                      }),
                      "not a multiple of 16"));
  CHECK(testing::says(report([](auto dev, auto&) {
                        if (dev.thread() == 7)
                          dev.sync_warp();
                        else
                          dev.shuffle_xor(1.0f, 1);
                      }),
                      "thread 7 meets lanes of its warp that do something else"));
}

TEST_CASE("device memory cannot be read by the host, and comes full of NaN") {
  const auto t = to_device<Emulated>(Tensor<float, Cpu>::from({2}, std::vector<float>{1, 2}));
  int channel[2];
  REQUIRE(pipe(channel) == 0);
  CHECK(write(channel[1], t.data(), sizeof(float)) == -1);  // the kernel may not read it for us either
  CHECK(errno == EFAULT);
  close(channel[0]);
  close(channel[1]);
  CHECK(to_cpu(t).data()[1] == 2);
  CHECK(std::isnan(to_cpu(Tensor<float, Emulated>({3})).data()[2]));
}

TEST_CASE("device memory belongs to one thread of the host") {
  const auto t = to_device<Emulated>(Tensor<float, Cpu>::from({2}, std::vector<float>{1, 2}));
  std::string message;
  std::thread([&] { message = testing::message_of<std::logic_error>([&] { to_cpu(t); }); }).join();
  CHECK(testing::says(message, "memory of the emulated GPU that another one works with"));
  CHECK(to_cpu(t).data()[1] == 2);
}

TEST_CASE("a fiber that needs more than its stack ends the program, and says which kernel it ran") {
  int channel[2];
  REQUIRE(pipe(channel) == 0);
  const pid_t child = fork();
  if (child == 0) {
    std::signal(SIGSEGV, SIG_DFL);
    dup2(channel[1], STDERR_FILENO);
    emulator::Machine machine;
    run<32>(machine, 1, [](auto dev, auto&) {
      if (deep(dev.thread() == 7 ? 1000 : 10) > 1 << 20) _exit(1);
    });
    _exit(0);
  }
  close(channel[1]);
  std::string said;
  char c;
  while (read(channel[0], &c, 1) == 1) said += c;
  close(channel[0]);
  int status = 0;
  REQUIRE(waitpid(child, &status, 0) == child);
  CHECK(WIFSIGNALED(status));
  CHECK(testing::says(said, "a fiber of kernel ", "Test<32", " overflowed its stack of 64 KB\n"));
}
