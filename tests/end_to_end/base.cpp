// SPDX-License-Identifier: MIT
// The base in examples/data is what its README says: a trained model that listens to captions it was not trained on.
#include <examples/support/pipeline.hpp>
#include <tests/support/catch.hpp>

#include <modelgrow/backend/cpu.hpp>

using namespace example;
namespace fs = std::filesystem;

TEST_CASE("the committed base is trained, and does worse with the captions of other clips") {
  const fs::path root = MODELGROW_SOURCE_DIR;
  Model model = load_pipeline(root / "examples/data/base", Weights::averaged);
  const ClipData data = clips_for(model.transformer.config, {.archives = emoji_clips(root)});
  const FlowTask task(data, 8, 1);
  Tape tape(Tape::Mode::infer);
  const double own = task.validation_loss(tape, model);
  const double others = task.validation_loss(tape, model, FlowTask::Captions::others);
  CHECK(own < 0.25);
  CHECK(others > 1.05 * own);
}
