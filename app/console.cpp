#include "app/console.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/env.h"
#include "core/error.h"

namespace graft::app {
namespace {

volatile std::sig_atomic_t pending_signal = 0;
bool output_failed = false;

void note_signal(int signal) {
  if (pending_signal) ::_exit(128 + signal);
  pending_signal = signal;
}

void install(int signal, void (*handler)(int)) {
  struct sigaction action {};
  action.sa_handler = handler;
  action.sa_flags = SA_RESTART;
  ::sigaction(signal, &action, nullptr);
}

int terminal_width() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0) return size.ws_col;
  return 80;
}

bool terminal_takes_utf8() {
  for (const char* name : {"LC_ALL", "LC_CTYPE", "LANG"}) {
    std::string value = env::get(name);
    if (!value.empty())
      return value.find("UTF-8") != std::string::npos || value.find("utf8") != std::string::npos;
  }
  return false;
}

transfer::report::ProgressPrinter::Options display_options() {
  transfer::report::ProgressPrinter::Options options;
  options.terminal = ::isatty(STDERR_FILENO) && env::get("TERM") != "dumb";
  options.style.colour = options.terminal && env::get("NO_COLOR").empty();
  options.style.unicode = terminal_takes_utf8();
  options.write = [](std::string_view text) { std::fwrite(text.data(), 1, text.size(), stderr); };
  options.memory = peak_memory;
  options.width = terminal_width;
  return options;
}

std::string doing(const transfer::Progress& p) {
  if (p.epochs > 0) return str(p.phase, ", epoch ", p.epoch, " of ", p.epochs);
  return str(p.phase, ", ", p.done, " of ", p.total);
}

}  // namespace

void prepare_process() {
  for (int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) {
    if (::fcntl(fd, F_GETFD) == -1) {
      // Opened the wrong way round on purpose: writing to a closed standard output stays an error that is
      // reported.
      int opened = ::open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
      if (opened != fd && opened >= 0) ::close(opened);
    }
  }
  install(SIGPIPE, SIG_IGN);
  install(SIGXFSZ, SIG_IGN);  // a file size limit is then an error like a full disk
  install(SIGINT, note_signal);
  install(SIGTERM, note_signal);
  // The terminal is gone; whoever started the program with nohup said that this is nothing to it.
  struct sigaction given {};
  if (::sigaction(SIGHUP, nullptr, &given) == 0 && given.sa_handler != SIG_IGN) install(SIGHUP, note_signal);
}

int noted_signal() {
  return pending_signal;
}

void say(const std::string& line) {
  std::string text = line + "\n";
  if (std::fwrite(text.data(), 1, text.size(), stdout) != text.size()) output_failed = true;
}

void require_said() {
  if (std::fflush(stdout) != 0 || std::ferror(stdout)) output_failed = true;
  if (output_failed) fail<DiskError>("standard output could not be written (closed, or its disk is full)");
}

Display::Display() : printer_(display_options()) {}

Display::~Display() {
  printer_.finish();
}

void Display::say(const std::string& line) {
  printer_.finish();
  app::say(line);
  if (std::fflush(stdout) != 0) output_failed = true;  // work goes on: nothing said may wait for its end
}

void Display::warn(const std::string& line) {
  printer_.finish();
  std::string text = line + "\n";
  std::fwrite(text.data(), 1, text.size(), stderr);
}

transfer::OnProgress Display::on_progress(bool of_team) {
  return [this, of_team](const transfer::Progress& progress) {
    if (pending_signal && !(of_team && progress.phase == "train"))
      throw Interrupted{.signal = pending_signal, .what_was_done = doing(progress)};
    printer_(progress);
  };
}

int64_t peak_memory() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  return static_cast<int64_t>(usage.ru_maxrss) * 1024;
}

}  // namespace graft::app
