#include "bench/cuda/session.h"

#include <chrono>
#include <cmath>
#include <cstdio>
#include <ctime>
#include <fstream>
#include <memory>

#include "core/accelerator.h"
#include "core/error.h"

namespace graft::bench {
namespace {

double now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

// The first line that a command prints; empty where it cannot be run.
std::string first_line_of(const char* command) {
  std::unique_ptr<FILE, int (*)(FILE*)> pipe(popen(command, "r"), pclose);
  char line[256] = "";
  if (!pipe || !std::fgets(line, sizeof line, pipe.get())) return "";
  std::string text = line;
  while (!text.empty() && text.back() == '\n') text.pop_back();
  return text;
}

std::string date() {
  std::time_t time = std::time(nullptr);
  char text[32];
  std::strftime(text, sizeof text, "%F", std::gmtime(&time));
  return text;
}

// Runs a contender on a poisoned result, and waits.
void run_checked(const Contender& contender, const Tensor& result) {
  result.fill(NAN);
  contender.run();
  synchronize(kDevice);
}

// graft's result must be a reference's, or else the CPU's. A reference that then differs does not take part.
void verify(const CaseName& name, Prepared& p) {
  auto require = [&](double difference) {
    GRAFT_CHECK(difference <= p.allowed, name.name, ": graft's result differs from the CPU's by ", difference,
                " of its norm, ", p.allowed, " is allowed");
    return difference;
  };
  if (p.difference) {
    p.notes["difference"] = require(p.difference());
    p.notes["checked_by"] = "the CPU";
    return;
  }
  run_checked(p.graft, p.result);
  std::vector<Reference> kept;
  double nearest = NAN;
  std::string by;
  for (const Reference& r : p.references) {
    if (r.result.defined()) {
      run_checked(r.contender, r.result);
      double difference = relative_difference(p.result, r.result);
      if (!(difference <= p.allowed)) {
        p.notes[r.contender.name] = str("not timed: its result differs by ", difference);
        continue;
      }
      if (by.empty()) {
        nearest = difference;
        by = r.contender.name;
      }
    }
    kept.push_back(r);
  }
  if (by.empty()) {
    nearest = require(relative_difference(p.result, p.on_cpu().to(kDevice)));
    by = "the CPU";
  }
  p.references = kept;
  p.notes["difference"] = nearest;
  p.notes["checked_by"] = by;
}

nlohmann::json json_of(const Timing& timing) {
  return {{"seconds", timing.median}, {"spread", timing.spread}};
}

}  // namespace

Session::Session(Settings settings) : settings_(std::move(settings)), start_(now()) {
  Accelerator& a = accelerator_of(kDevice);
  head_ = {
      {"date", date()},
      {"device", a.describe(kDevice.index)},
      {"hardware", a.is_hardware()},
      {"dry", settings_.dry},
      {"repeats", settings_.repeats},
      {"driver", first_line_of("nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null")},
      {"cuda_driver", driver_version()},
      {"cuda_runtime", runtime_version()}};
}

bool Session::wanted(const CaseName& name) const {
  return (settings_.group.empty() || settings_.group == name.group) &&
         name.name.find(settings_.only) != std::string::npos;
}

void Session::run(const CaseName& name, const std::function<Prepared()>& prepare) {
  run_whole(name, [&] {
    Prepared prepared = prepare();
    verify(name, prepared);
    return measured(name, prepared);
  });
}

void Session::run_whole(const CaseName& name, const std::function<nlohmann::json()>& measure) {
  if (!wanted(name)) return;
  nlohmann::json row;
  if (now() - start_ > settings_.seconds) {
    row = {{"skipped", "out of time"}};
  } else {
    try {
      row = measure();
      if (dry()) row.erase("graft"), row.erase("pictures_per_second");
    } catch (const std::exception& e) {
      row = {{"error", e.what()}};
      ++failures_;
    }
  }
  record(name, std::move(row));
}

nlohmann::json Session::measured(const CaseName& name, const Prepared& p) {
  std::vector<const Contender*> contenders = {&p.graft};
  for (const Reference& r : p.references) contenders.push_back(&r.contender);
  double once = 0;
  for (const Contender* c : contenders) {
    clock_.start();
    c->run();
    clock_.stop();
  }
  for (double s : clock_.seconds()) once += s;
  // What takes long is repeated less often: about a second a case.
  int repeats = dry() ? 1 : std::max(3, std::min(settings_.repeats, static_cast<int>(1.5 / once)));

  std::vector<std::vector<double>> on_host(contenders.size()), on_device(contenders.size());
  for (int r = 0; r < repeats; ++r) {
    for (size_t i = 0; i < contenders.size(); ++i) {
      clock_.clear_cache();
      clock_.start();
      double begin = now();
      contenders[i]->run();
      on_host[i].push_back(now() - begin);
      clock_.stop();
    }
  }
  std::vector<double> all = clock_.seconds();
  for (size_t i = 0; i < all.size(); ++i) on_device[i % contenders.size()].push_back(all[i]);

  nlohmann::json row = p.notes;
  row["checked"] = true;
  row["repeats"] = repeats;
  if (dry()) return row;
  Timing ours = timing_of(on_device[0]);
  row["graft"] = json_of(ours);
  row["graft"]["host_seconds"] = timing_of(on_host[0]).median;
  if (name.flops > 0) row["tflops"] = name.flops / ours.median * 1e-12;
  if (name.bytes > 0) row["gigabytes_per_second"] = name.bytes / ours.median * 1e-9;
  double best = INFINITY;
  for (size_t i = 1; i < contenders.size(); ++i) {
    Timing theirs = timing_of(on_device[i]);
    row["references"][contenders[i]->name] = json_of(theirs);
    if (contenders[i]->name == "copy") {
      double bandwidth = 2 * static_cast<double>(p.references[i - 1].result_bytes) / theirs.median;
      row["copy_gigabytes_per_second"] = bandwidth * 1e-9;
      row["share_of_copy"] = name.bytes / ours.median / bandwidth;
    } else {
      best = std::min(best, theirs.median);
    }
  }
  if (std::isfinite(best)) row["ratio"] = best / ours.median;
  return row;
}

void Session::record(const CaseName& name, nlohmann::json row) {
  row["row"] = name.row;
  row["group"] = name.group;
  row["case"] = name.name;
  row["dtype"] = std::string(to_text(name.dtype));
  row["flops"] = name.flops;
  row["bytes"] = name.bytes;
  std::string said;
  if (row.contains("error")) {
    said = "ERROR " + row["error"].get<std::string>();
  } else if (row.contains("skipped")) {
    said = "left out: " + row["skipped"].get<std::string>();
  } else if (row.contains("graft")) {
    said = str(fixed(row["graft"]["seconds"].get<double>() * 1e6, 1), " us");
    if (row.contains("ratio")) said += str(", reference / graft ", fixed(row["ratio"].get<double>(), 3));
    if (row.contains("share_of_copy"))
      said += str(", share of a copy ", fixed(row["share_of_copy"].get<double>(), 3));
  } else {
    said = "right";
  }
  std::printf("%-3s %-44s %-4s  %s\n", name.row.c_str(), name.name.c_str(),
              row["dtype"].get<std::string>().c_str(), said.c_str());
  std::fflush(stdout);
  // While the device is still warm from the case; as it was found, nothing is set.
  if (rows_.size() % 8 == 0 && !dry()) {
    clocks_.push_back(
        first_line_of("nvidia-smi --query-gpu=clocks.sm,clocks.mem,temperature.gpu,power.draw "
                      "--format=csv,noheader 2>/dev/null"));
  }
  rows_.push_back(std::move(row));
  if (!settings_.json_file.empty()) {
    std::ofstream out(settings_.json_file);
    out << report().dump(1) << "\n";
    GRAFT_CHECK_AS(DiskError, out.good(), settings_.json_file, ": cannot be written");
  }
}

nlohmann::json Session::report() const {
  nlohmann::json out = head_;
  out["clocks"] = clocks_;
  out["rows"] = rows_;
  return out;
}

}  // namespace graft::bench
