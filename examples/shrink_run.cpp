// SPDX-License-Identifier: MIT
// Stores a training run with 16-bit numbers: weights, averages and Adam moments in half the space, to ship as a base.
#include <CLI/CLI.hpp>
#include <iostream>

#include <modelgrow/checkpoint.hpp>
#include <modelgrow/detail/atomic_directory.hpp>

namespace mg = modelgrow;
namespace fs = std::filesystem;

namespace {

/// Copies a safetensors file; float32 tensors become `type`, all others stay.
void shrink(const fs::path& from, const fs::path& to, mg::DType type) {
  const auto in = mg::Safetensors::open(from);
  std::vector<mg::NamedShape> declared;
  for (const auto& t : in.tensors())
    declared.push_back({.name = t.name, .dtype = t.dtype == mg::DType::f32 ? type : t.dtype, .shape = t.shape});
  mg::CheckpointWriter writer(to, declared, in.metadata());
  for (const auto& t : in.tensors()) {
    if (t.dtype != mg::DType::f32) {
      writer.write(t.name, {t.data, t.bytes});
      continue;
    }
    std::vector<std::byte> bytes(t.bytes / 2);
    mg::convert(t.dtype, t.data, type, bytes.data(), mg::numel(t.shape));
    writer.write(t.name, bytes);
  }
  writer.commit();
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app{"Copies a training run and stores its float32 numbers in 16 bits."};
  fs::path from, to;
  std::string type = "BF16";
  app.add_option("run", from, "directory of the run")->required();
  app.add_option("out", to, "new directory")->required();
  app.add_option("--dtype", type, "BF16 or F16")->check(CLI::IsMember({"BF16", "F16"}))->capture_default_str();
  CLI11_PARSE(app, argc, argv);
  try {
    mg::detail::AtomicDirectory out(to, mg::Existing::replace);
    for (const auto& entry : fs::recursive_directory_iterator(from)) {
      const fs::path target = out.path() / fs::relative(entry.path(), from);
      if (entry.is_directory())
        fs::create_directories(target);
      else if (entry.path().extension() == ".safetensors")
        shrink(entry.path(), target, *mg::parse_dtype(type));
      else
        fs::copy_file(entry.path(), target);
    }
    out.commit();
    std::cout << "stored " << from << " as " << type << " in " << to << std::endl;
    return 0;
  } catch (const std::exception& e) {
    std::cerr << "shrink_run: " << e.what() << std::endl;
    return 1;
  }
}
