// SPDX-License-Identifier: MIT
// One training run of the examples: steps, log, progress line, and the validation loss of the averaged weights as a
// curve over the floating-point operations spent.
#pragma once
#include <filesystem>
#include <optional>

#include <modelgrow/train/logit_anneal.hpp>
#include <modelgrow/train/schedule.hpp>

#include "flow_task.hpp"
#include "interrupt.hpp"
#include "together.hpp"

namespace example {

/// What a run is given.
struct RunOptions {
  std::string name;  // shown and logged
  std::int64_t steps = 0;
  std::int64_t batch = 16;
  double lr = 1e-3;
  std::int64_t warmup = 100;
  mg::Schedule::Kind schedule = mg::Schedule::Kind::constant;
  double decay_share = 0.4;  // of stable_decay
  double weight_decay = 0.01;
  std::optional<double> noise_shift = {};  // as the clips need it
  double ema_decay = 0.999;
  mg::Augmentation augmentation = {};
  TextSource first_text = {}, second_text = {};  // for models that read them
  double first_text_dropout = 0;
  std::optional<mg::LogitAnneal> anneal = {};  // of models whose second text enters by concatenation
  std::uint64_t seed = 1;
  std::int64_t evaluate_every = 0;        // steps; 0: only at the end
  bool measure_keywords = false;          // also the loss with keywords for captions
  std::filesystem::path directory = {};   // where the run is saved
  std::filesystem::path start_from = {};  // weights, averages and moments to begin with
  std::filesystem::path log = {};         // JSON lines
  std::int64_t save_every = 0;
  Together* together = nullptr;  // the ranks that share each batch
  enum class Begin { fresh, resume } begin = Begin::fresh;
  enum class OnTerminal {
    progress,
    nothing
  } on_terminal = OnTerminal::progress;  // of runs side by side one has the line
};

/// The validation loss after so many operations.
struct CurvePoint {
  std::int64_t step = 0;
  double tflop = 0, validation_loss = 0;
  double other_captions = 0;  // the same with the captions of other clips: how much the model listens
  double keywords = 0;        // the same with words that training has never seen, where asked for
};

struct RunResult {
  std::vector<CurvePoint> curve;
  double seconds = 0;
  bool stopped = false;
  double last() const { return curve.back().validation_loss; }
};

/// Floating-point operations of one training step, captions of 24 tokens, or 8 states of a language model.
double step_flops(const Model& model, std::int64_t batch);

/// `o` with as many steps as `tflop` of compute buy for this model, and the evaluations to go with them.
RunOptions spending(const Model& model, double tflop, std::int64_t evaluations, RunOptions o);

/// Trains `model` in place; on return it holds the averaged weights. Throws option_error for a batch that the ranks
/// cannot share.
RunResult train(Model& model, const ClipData& data, const RunOptions& o);

}  // namespace example
