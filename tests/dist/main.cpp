// SPDX-License-Identifier: MIT
// Every rank runs every test; a failure of any of them is one of all. A rank that leaves a test early would be waited
// for by the others for ever: where they do not end it together, all are ended.
#define CATCH_CONFIG_RUNNER
#include "tests/dist/support/ranks.hpp"
#include "tests/support/catch.hpp"

#include <chrono>
#include <string>
#include <thread>

namespace modelgrow::testing {

namespace {
Mpi* group = nullptr;
}

Mpi& ranks() { return *group; }

/// Meets the other ranks, or ends them.
void meet(const std::string& where) {
  constexpr auto limit = std::chrono::seconds(60);
  const auto begin = std::chrono::steady_clock::now();
  for (Pending all = group->barrier(); !all.test(); std::this_thread::sleep_for(std::chrono::milliseconds(1)))
    if (std::chrono::steady_clock::now() - begin > limit) group->abort("the other ranks do not end " + where);
}

}  // namespace modelgrow::testing

#if __has_include(<catch2/catch_all.hpp>)
using Listener = Catch::EventListenerBase;
#else
using Listener = Catch::TestEventListenerBase;
#endif
struct MeetAfterEachTest : Listener {
  using Listener::Listener;
  void testCaseEnded(const Catch::TestCaseStats&) override { modelgrow::testing::meet("this test"); }
};
CATCH_REGISTER_LISTENER(MeetAfterEachTest)

int main(int argc, char** argv) {
  modelgrow::Mpi ranks;
  modelgrow::testing::group = &ranks;
  const int failed = Catch::Session().run(argc, argv);
  const auto all = modelgrow::Tensor<float, modelgrow::Cpu>::zeros({1});
  all.data()[0] = failed != 0;
  ranks.all_reduce(all).wait();
  return all.data()[0] != 0;
}
