// graft doctor: what this machine offers, what this build can use of it, and where files go.
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "app/command.h"
#include "app/console.h"
#include "core/accelerator.h"
#include "core/env.h"
#include "core/error.h"
#include "core/file.h"
#include "core/parallel.h"
#include "core/version.h"
#include "kernels/dispatch.h"
#include "transfer/features.h"

namespace graft::app {
namespace {

std::string processor_name() {
  std::ifstream info("/proc/cpuinfo");
  std::string line;
  while (std::getline(info, line)) {
    size_t colon = line.find(": ");
    if (line.starts_with("model name") && colon != std::string::npos)
      return printable(line.substr(colon + 2));
  }
  return "unknown processor";
}

std::string memory_text() {
  auto page = static_cast<double>(::sysconf(_SC_PAGESIZE));
  auto total = static_cast<double>(::sysconf(_SC_PHYS_PAGES)) * page;
  auto free = static_cast<double>(::sysconf(_SC_AVPHYS_PAGES)) * page;
  std::string text = str(bytes_text(total), ", ", bytes_text(free), " of it unused");
  rlimit limit{};
  if (::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY) {
    text += str("; this process may have ", bytes_text(static_cast<double>(limit.rlim_cur)));
  }
  return text;
}

std::string levels_text() {
#if defined(__x86_64__)
  std::string text = str("for x86-64-", kernels::cpu_level(), " (this machine can run");
#else
  std::string text = str("in plain C++ (this machine can run");
#endif
  for (kernels::CpuLevel level : kernels::cpu_levels()) text += str(" ", level);
  text += ")";
  if (!env::cpu().empty()) text += str(", forced by GRAFT_CPU=", printable(env::cpu()));
  return text;
}

std::string gpu_text() {
  std::string text;
  for (Device device : devices()) {
    if (!device.is_cuda()) continue;
    text += str(text.empty() ? "" : ", ", device, " (", accelerator()->describe(device.index), ")");
  }
  if (!text.empty()) return text;
  return has_cuda_backend() ? "none found; everything runs on the CPU" : "this build is for the CPU alone";
}

// What --device takes here.
std::string devices_text() {
  std::string text;
  for (Device device : devices()) text += (text.empty() ? "" : ", ") + to_text(device);
  return text;
}

// Can a file be made in this folder, or in the nearest one above that exists?
std::string cache_text() {
  std::string folder = transfer::cache_folder();
  if (folder.empty()) return "none (no HOME and no GRAFT_CACHE); features are kept in memory";
  std::filesystem::path existing = folder;
  std::error_code ignored;
  while (!existing.empty() && !std::filesystem::exists(existing, ignored) &&
         existing != existing.parent_path()) {
    existing = existing.parent_path();
  }
  try {
    require_writable((existing / "graft-probe").string());
  } catch (const DiskError&) {
    return str(printable(folder), ", cannot be written; features are kept in memory");
  }
  return printable(folder);
}

std::string build_text() {
  std::string text = str("graft ", kVersion, ", ");
#if defined(__clang__)
  text += str("clang ", __clang_major__, ".", __clang_minor__);
#elif defined(__GNUC__)
  text += str("g++ ", __GNUC__, ".", __GNUC_MINOR__);
#else
  text += "another compiler";
#endif
#if defined(__SANITIZE_ADDRESS__)
  text += ", AddressSanitizer";
#endif
#if defined(__SANITIZE_THREAD__)
  text += ", ThreadSanitizer";
#endif
#ifndef NDEBUG
  text += ", with assertions";
#endif
  return text;
}

int doctor(const Common& common) {
  common.apply();
  const std::pair<const char*, std::string> rows[] = {
      {"build", build_text()},
      {"cpu", processor_name()},
      {"kernels", levels_text()},
      {"threads", str(threads(), " of ", ::sysconf(_SC_NPROCESSORS_ONLN), " processors")},
      {"memory", memory_text()},
      {"gpu", gpu_text()},
      {"devices", devices_text()},
      {"cache", cache_text()},
  };
  nlohmann::ordered_json json;
  for (auto& [name, text] : rows) {
    say(str(name, std::string(9 - std::string_view(name).size(), ' '), text));
    json[name] = text;
  }
  common.write(json.dump(2, ' ', false, nlohmann::json::error_handler_t::replace) + "\n");
  return 0;
}

}  // namespace

void add_doctor(CLI::App& app, Action& action) {
  CLI::App* command = app.add_subcommand("doctor", "what this machine offers and what graft uses of it");
  auto common = std::make_shared<Common>();
  common->add_to(*command);
  command->callback([common, &action] { action = [common] { return doctor(*common); }; });
}

}  // namespace graft::app
