// SPDX-License-Identifier: MIT
// Stores a training run with 16-bit numbers, to ship as a base: weights and averages, and Adam moments in BF16.
#include <CLI/CLI.hpp>
#include <cmath>
#include <iostream>

#include <modelgrow/checkpoint.hpp>
#include <modelgrow/checkpoint/folder.hpp>
#include <modelgrow/detail/atomic_directory.hpp>
#include <modelgrow/detail/json.hpp>

namespace mg = modelgrow;
namespace fs = std::filesystem;

namespace {

/// The type that a tensor of a file is stored in.
mg::DType stored_type(const mg::TensorView& t, mg::FileRole role, mg::DType type) {
  if (t.dtype != mg::DType::f32) return t.dtype;
  if (role != mg::FileRole::optimizer) return type;
  const auto state = mg::parse_optimizer_name(t.name);
  // F16 ends at 6e-8 and second moments do not: where they became zero, the first steps would be far too long. Weights
  // in full precision are what a 16-bit model keeps beside its own.
  const bool wide = type == mg::DType::f16 || (state && state->kind == mg::OptimizerKind::master);
  return wide ? mg::DType::f32 : type;
}

/// The numbers of a float32 tensor in a narrow type. Throws format_error where one would become infinite.
std::vector<std::byte> narrowed(const mg::TensorView& t, mg::DType type, const fs::path& file) {
  std::vector<std::byte> bytes(t.bytes / 2);
  mg::convert(t.dtype, t.data, type, bytes.data(), mg::numel(t.shape));
  mg::TensorView narrow = t;
  narrow.dtype = type, narrow.data = bytes.data(), narrow.bytes = bytes.size();
  const auto before = mg::values_of<float>(t), after = mg::values_of<float>(narrow);
  for (std::size_t i = 0; i < before.size(); ++i)
    if (std::isfinite(before[i]) && !std::isfinite(after[i])) {
      const std::string name(mg::name(type));
      throw mg::format_error(
          file.string() + ": tensor '" + t.name + "' has " + std::to_string(before[i]) + " at index " +
          std::to_string(i) + ", which " + name + " cannot hold; " +
          (type == mg::DType::f16 ? "F16 ends at 65504: store the run with --dtype BF16" : "leave the run as it is"));
    }
  return bytes;
}

/// Copies a safetensors file; float32 tensors become `type` where that holds what they say.
void shrink(const fs::path& from, const fs::path& to, mg::DType type) {
  const auto in = mg::Safetensors::open(from);
  const mg::FileRole role = mg::classify(from.filename().string()).role;
  std::vector<mg::NamedShape> declared;
  for (const auto& t : in.tensors())
    declared.push_back({.name = t.name, .dtype = stored_type(t, role, type), .shape = t.shape});
  mg::CheckpointWriter writer(to, declared, in.metadata());
  for (std::size_t i = 0; i < declared.size(); ++i) {
    const auto& t = in.tensors()[i];
    if (declared[i].dtype == t.dtype)
      writer.write(t.name, {t.data, t.bytes});
    else
      writer.write(t.name, narrowed(t, declared[i].dtype, from));
  }
  writer.commit();
}

/// Writes the bytes that the shards of an index have now.
void count_bytes(const fs::path& index) {
  auto j = mg::detail::parse_json(mg::detail::read_file(index), index.string());
  j["metadata"]["total_size"] = mg::Checkpoint::open(index).total_bytes();
  mg::detail::write_file(index, j.dump(2) + "\n");
}

/// A run that is read, and the folder that it is written into.
struct Job {
  fs::path from, to;
  std::vector<fs::path> files = {};  // relative to both

  /// Throws io_error for what cannot be read, or would be written over.
  Job(const fs::path& run, const fs::path& out) : from(run), to(out) {
    if (!fs::is_directory(from))
      throw mg::io_error("cannot read '" + from.string() + "': there is no such directory; give that of a run");
    list({}, 0);
    if (std::ranges::none_of(files, is_weights))
      throw mg::io_error("'" + from.string() + "' is no run: it has no .safetensors file; give the directory of a run");
    if (fs::exists(to) && !fs::exists(to / "trainer.json") && !fs::is_empty(to))
      throw mg::io_error("cannot replace '" + to.string() + "': it is no run (it has no trainer.json); give a new " +
                         "directory");
  }
  static bool is_weights(const fs::path& file) { return file.extension() == ".safetensors"; }

 private:
  /// Lists the files of a folder below `from`; links are followed.
  void list(const fs::path& below, int depth) {
    const fs::path folder = from / below;
    if (depth > 16)
      throw mg::io_error("cannot read '" + folder.string() + "': folders are nested deeper than 16; does a link lead " +
                         "back to a folder above it?");
    const auto target = fs::weakly_canonical(to).lexically_relative(fs::canonical(folder));
    if (!target.empty() && *target.begin() != "..")
      throw mg::io_error("cannot write '" + to.string() + "': it lies in '" + folder.string() + "', which is read; " +
                         "write outside of the run");
    mg::detail::check_not_inside(folder, to);
    for (const auto& entry : fs::directory_iterator(folder)) {
      const fs::path name = below / entry.path().filename();
      if (entry.is_directory())
        list(name, depth + 1);
      else if (entry.exists())
        files.push_back(name);
      else
        throw mg::io_error("cannot read '" + entry.path().string() + "': it is a link to '" +
                           fs::read_symlink(entry.path()).string() + "', which is not there; restore or remove it");
    }
  }
};

void store(const Job& job, mg::DType type) {
  mg::detail::AtomicDirectory out(job.to, mg::Existing::replace);
  for (const fs::path& file : job.files) {
    fs::create_directories((out.path() / file).parent_path());
    if (Job::is_weights(file))
      shrink(job.from / file, out.path() / file, type);
    else
      fs::copy_file(job.from / file, out.path() / file);
  }
  for (const fs::path& file : job.files)
    if (file.string().find(".safetensors.index.") != std::string::npos) count_bytes(out.path() / file);
  out.commit();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Copies a training run and stores its float32 numbers in 16 bits; in F16 the optimizer stays as it is."};
  fs::path from, to;
  std::string type = "BF16";
  app.add_option("run", from, "directory of the run")->required();
  app.add_option("out", to, "new directory, or a run to replace")->required();
  app.add_option("--dtype", type, "BF16 or F16")->check(CLI::IsMember({"BF16", "F16"}))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    store(Job(from, to), *mg::parse_dtype(type));
    std::cout << "stored " << from << " as " << type << " in " << to << std::endl;
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "shrink_run: " << e.what() << std::endl;
    return 1;
  }
}
