// SPDX-License-Identifier: MIT
// The verbs of a plan as data: everything growth does is a list of these, whoever asked for it.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <modelgrow/core/affine_map.hpp>
#include <modelgrow/core/schema.hpp>
#include <modelgrow/core/words.hpp>
#include <modelgrow/grow/certificate.hpp>

namespace modelgrow::inline v0 {

/// Zero-sum noise on the copies of a consumer column, so that they do not stay equal for ever; off when db is 0.
struct Noise {
  double db = 0;  // signal-to-noise ratio against the split weights, at least 10
  std::uint64_t seed = 0;
  bool on() const { return db != 0; }
  bool operator==(const Noise&) const = default;
};

/// What the rows of new units are made of: those of the unit that they copy, or of the same unit in the next block of
/// the stack (AKI of bert2BERT, Chen et al. 2022), which is approximate.
enum class NewRows { own, next };
constexpr auto words_of(NewRows) { return std::array<std::string_view, 2>{"own", "next"}; }
/// Grows one space, or several that are tied to each other.
struct Remap {
  std::vector<SpaceMap> maps;
  Noise noise;
  NewRows rows = NewRows::own;
};
/// What a new block is at first: a copy whose branches are closed, the identity; a copy as it is; a copy whose closing
/// parameters are random; or random altogether. Only the first keeps the function.
enum class BlockStart { closed, plain, opened, random };
constexpr auto words_of(BlockStart) { return std::array<std::string_view, 4>{"closed", "plain", "opened", "random"}; }
/// Puts new blocks that are as blocks `like`, like + 1, .. (so many as `run`) of stacks that grow together before block
/// `at`, for each place in ascending order of `at`; later blocks move up. All numbers are those before the insertion.
struct Insert {
  struct Place {
    std::int64_t at = 0, like = 0;
    bool operator==(const Place&) const = default;
  };
  std::vector<std::string> stacks;
  std::vector<Place> places;
  std::int64_t run = 1;
  BlockStart start = BlockStart::closed;
  std::uint64_t seed = 0;  // of random numbers
};
/// Adds freshly initialised parameters, the spaces they bring, sizes of the family that they change, and what is
/// recorded when they are a graft (in place of an older record of that name).
struct Add {
  std::vector<ParamSpec> parameters;
  std::vector<SpaceSpec> spaces;
  Sizes constants = {};
  std::uint64_t seed = 0;
  std::optional<GraftRecord> graft = {};
};
/// Makes what reads states read other ones, x, through the map y = A x + c: a weight W [.., y] becomes W A, its bias b
/// becomes b + W c, and states that the model stores become those of least norm that W A reads as nearly as can be as W
/// read the old ones. Weights, averages and float weights of optimizers are each filled from their own W.
struct Fill {
  struct Reader {
    std::string weight;
    std::string bias = {}, states = {};  // empty: there are none
  };
  std::vector<Reader> readers;
  std::shared_ptr<const AffineMap> map;
  std::int64_t length = 0;  // of stored states; a longer one repeats the last, as Open-Sora does
  Sizes constants = {};     // of the family that change
  std::optional<GraftRecord> graft = {};
};
/// Makes layers mixtures of experts: each tensor of "<layer>" becomes `experts` copies that go their own ways,
/// "<layer>.experts.<e>.<rest>", and "<layer>.router.weight" is new.
struct Upcycle {
  std::vector<ParamSpec> routers;  // one for each layer
  std::int64_t experts = 0;
  std::uint64_t seed = 0;
  GraftRecord graft = {};  // what is recorded, in place of an older record of that name
};
/// Changes the name of one parameter.
struct Rename {
  std::string from, to;
};
/// Removes one parameter; `because` is told to people.
struct Drop {
  std::string name;
  std::string because = {};
};
/// Gives parameter `name` (new or not) the values and the future of parameter `to`.
struct Tie {
  std::string name, to;
};
/// Accepts, from here on, steps that would be refused.
struct Allow {
  enum class What {
    approximate,  // the function changes
    conditions,   // the function stays if a named condition holds, which is not in the weights
    upstream,     // the upstream class cannot load the result
  } what = What::approximate;
};

/// What becomes of moments: they follow the transposed rule (growth-maths, section 4); the same, but what is new has no
/// first moment; or all are zero, and the step counters too.
enum class Moments { carried, reset_new, zeroed };
constexpr auto words_of(Moments) { return std::array<std::string_view, 3>{"carried", "reset_new", "zeroed"}; }
/// Whether optimizers get the multipliers that let them follow the old trajectory: for good, not at all, or until they
/// have been annealed to 1.
enum class Rates { on, off, annealed };
constexpr auto words_of(Rates) { return std::array<std::string_view, 3>{"on", "off", "annealed"}; }
/// What the whole growth does with the state of optimizers; said once.
struct MoveState {
  Moments moments = Moments::carried;
  Rates multipliers = Rates::on;
  std::int64_t steps = 0;  // of the annealing
  bool operator==(const MoveState&) const = default;
};

using Verb = std::variant<Remap, Insert, Add, Fill, Rename, Drop, Tie, Allow, Upcycle, MoveState>;

/// One verb, the operator that said it, and what is claimed about it.
struct Step {
  Verb verb;
  std::string by;          // name of the operator, or empty
  std::int64_t call = 0;   // steps of one operator call share a number
  std::string what;        // one line for people
  Certificate function;    // does the model compute the same?
  Certificate trajectory;  // do transported gradients and moments equal those of the grown model?
};

}  // namespace modelgrow::inline v0
