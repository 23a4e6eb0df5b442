// Work of a device beside its one order (accelerator.h): sums over processes, which go on while the device
// computes something else.
#pragma once

#include <functional>
#include <memory>

#include "core/device.h"

namespace graft {

// A place in a device's order.
class Mark {
 public:
  virtual ~Mark() = default;
  // The place is here now: behind all that the device has been asked to do. Where this thread records a step,
  // the mark becomes a part of it, and is set anew each time the recording is played.
  virtual void set() = 0;
};

class SideStream {
 public:
  virtual ~SideStream() = default;
  virtual std::unique_ptr<Mark> mark() = 0;
  // What `work` asks of the device, by kernels and by handle(), comes after the place of the mark and after
  // earlier work of this stream, and has nothing to do with what else the device is doing. It must allocate
  // nothing on the device, for memory is handed out in the device's one order, and what it touches must stay
  // until is_done(). The mark must have been set since the last work that came after it (DeviceError).
  virtual void run(const Mark& after, std::function<void()> work) = 0;
  // For libraries that take a cudaStream_t. The simulator has none, but nothing that is null either.
  virtual void* handle() = 0;
  // Whether all work is done; what the device is asked for after that comes after it. Throws what went wrong.
  virtual bool is_done() = 0;
};

// Throws DeviceError where there is no such device; the CPU has none.
std::unique_ptr<SideStream> make_side_stream(Device device);

}  // namespace graft
