#include "data/stb.h"

#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>

#include "core/error.h"
#include "data/jpeg_arithmetic.h"

namespace graft::data {
namespace {

// What the decoder takes on this thread, and what it may still take. A file whose header promises little
// cannot make it take much. Where there is none left, or the system has none, an error goes right through the
// decoder, whose own ways out of such a place are not all sound; its blocks are then given back by ~Budget.
class Budget {
 public:
  explicit Budget(size_t bytes) : left_(bytes) { active_ = this; }
  ~Budget() {
    active_ = nullptr;
    while (blocks_) {
      Block* block = blocks_;
      blocks_ = block->next;
      std::free(block);
    }
  }
  Budget(const Budget&) = delete;
  Budget& operator=(const Budget&) = delete;
  static Budget& active() { return *active_; }

  void* take(size_t bytes) {
    GRAFT_CHECK_AS(DataError, bytes <= left_, "the decoder asks for ", bytes, " bytes, and ", left_,
                   " are left of what a picture of this size may take");
    auto* block = static_cast<Block*>(std::malloc(sizeof(Block) + bytes));
    if (!block) throw std::bad_alloc();
    *block = {nullptr, blocks_, bytes};
    if (blocks_) blocks_->before = block;
    blocks_ = block;
    left_ -= bytes;
    return block + 1;
  }
  void give(void* p) {
    if (!p) return;
    Block* block = static_cast<Block*>(p) - 1;
    (block->before ? block->before->next : blocks_) = block->next;
    if (block->next) block->next->before = block->before;
    left_ += block->bytes;
    std::free(block);
  }

 private:
  struct alignas(std::max_align_t) Block {
    Block *before, *next;
    size_t bytes;
  };
  static thread_local Budget* active_;
  Block* blocks_ = nullptr;
  size_t left_;
};
thread_local Budget* Budget::active_ = nullptr;

void* budget_malloc(size_t bytes) {
  return Budget::active().take(bytes);
}
void budget_free(void* p) {
  Budget::active().give(p);
}
void* budget_realloc(void* p, size_t old_bytes, size_t bytes) {
  void* fresh = budget_malloc(bytes);
  if (p) std::memcpy(fresh, p, old_bytes < bytes ? old_bytes : bytes);
  budget_free(p);
  return fresh;
}

[[noreturn]] void assertion_failed(const char* text) {
  fail("stb_image: assertion ", text, " does not hold");
}

}  // namespace
}  // namespace graft::data

// Two formats only; no files, no float pictures: the less code, the less to attack.
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_ONLY_JPEG
#define STBI_ONLY_PNG
#define STBI_NO_STDIO
#define STBI_NO_HDR
#define STBI_NO_LINEAR
#define STBI_MALLOC(bytes) graft::data::budget_malloc(bytes)
#define STBI_REALLOC_SIZED(p, old_bytes, bytes) graft::data::budget_realloc(p, old_bytes, bytes)
#define STBI_FREE(p) graft::data::budget_free(p)
#define STBI_ASSERT(x) ((x) ? void() : graft::data::assertion_failed(#x))
// stb names this step and offers no hook for it: its own definition, the one place where the name is followed
// by a parenthesis, is renamed, and the name is ours.
// NOLINTBEGIN(bugprone-reserved-identifier)
static unsigned char* stbi__resample_row_h_2(unsigned char* out, unsigned char* near_row,
                                             unsigned char* far_row, int width, int scale) {
  return graft::data::jpeg::upsample_2x1(out, near_row, far_row, width, scale);
}
#define stbi__resample_row_h_2(...) graft_unused_resample_row_h_2 [[maybe_unused]] (__VA_ARGS__)
// NOLINTEND(bugprone-reserved-identifier)
#include <stb/stb_image.h>

namespace graft::data {
namespace {

using Pixels = std::unique_ptr<stbi_uc, void (*)(void*)>;

// What stb's own entry does for a JPEG, with libjpeg's arithmetic in place of stb's.
Pixels load_jpeg(stbi__context* context, int* w, int* h, int* channels) {
  std::unique_ptr<stbi__jpeg, void (*)(void*)> state(
      static_cast<stbi__jpeg*>(budget_malloc(sizeof(stbi__jpeg))), budget_free);
  std::memset(static_cast<void*>(state.get()), 0, sizeof(stbi__jpeg));
  state->s = context;
  stbi__setup_jpeg(state.get());
  state->idct_block_kernel = jpeg::inverse_dct;
  state->resample_row_hv_2_kernel = jpeg::upsample_2x2;
  state->YCbCr_to_RGB_kernel = jpeg::ycbcr_to_rgb;
  return {load_jpeg_image(state.get(), w, h, channels, 3), budget_free};
}

Pixels load(std::span<const uint8_t> bytes, int wanted, int* w, int* h, int* channels) {
  int size = static_cast<int>(bytes.size());
  if (bytes.size() < 2 || bytes[0] != 0xFF || bytes[1] != 0xD8) {
    return {stbi_load_from_memory(bytes.data(), size, w, h, channels, wanted), budget_free};
  }
  stbi__context context;
  stbi__start_mem(&context, bytes.data(), size);
  return load_jpeg(&context, w, h, channels);
}

}  // namespace

Image stb_decode(std::span<const uint8_t> bytes, std::string_view name, int64_t width, int64_t height,
                 bool alpha) {
  GRAFT_CHECK_AS(DataError, bytes.size() <= INT_MAX, name, ": ", bytes.size(), " bytes, more than 2 GiB");
  Budget budget(static_cast<size_t>(8 * width * height * 4 + (int64_t{16} << 20)));
  int w = 0, h = 0, channels = 0;
  Pixels pixels{nullptr, budget_free};
  try {
    pixels = load(bytes, alpha ? 4 : 3, &w, &h, &channels);
  } catch (const DataError& e) {
    fail<DataError>(name, ": the picture cannot be decoded (", e.what(), ")");
  }
  GRAFT_CHECK_AS(DataError, pixels, name, ": the picture cannot be decoded (", stbi_failure_reason(), ")");
  GRAFT_CHECK_AS(DataError, w == width && h == height, name, ": decoded as ", w, " x ", h,
                 ", the header says ", width, " x ", height);
  Image image(width, height);
  if (!alpha) {
    std::memcpy(image.rgb.data(), pixels.get(), image.rgb.size());
    return image;
  }
  image.alpha.resize(image.rgb.size() / 3);
  for (size_t i = 0; i < image.alpha.size(); ++i) {
    std::memcpy(&image.rgb[3 * i], pixels.get() + 4 * i, 3);
    image.alpha[i] = pixels.get()[4 * i + 3];
  }
  return image;
}

}  // namespace graft::data
