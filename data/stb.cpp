#include "data/stb.h"

#include <climits>
#include <cstddef>
#include <cstdlib>
#include <cstring>
#include <memory>

#include "core/error.h"
#include "data/jpeg_arithmetic.h"

namespace graft::data {
namespace {

// What the decoder may still allocate on this thread. A file whose header promises little cannot make it take
// much.
thread_local size_t budget = 0;

// Each block is preceded by its size, so that freeing gives the budget back.
constexpr size_t kBlockHeader = alignof(std::max_align_t);

void* budget_malloc(size_t bytes) {
  if (bytes > SIZE_MAX - kBlockHeader || bytes + kBlockHeader > budget) return nullptr;
  void* block = std::malloc(bytes + kBlockHeader);
  if (!block) return nullptr;
  budget -= bytes + kBlockHeader;
  std::memcpy(block, &bytes, sizeof bytes);
  return static_cast<char*>(block) + kBlockHeader;
}

void budget_free(void* p) {
  if (!p) return;
  void* block = static_cast<char*>(p) - kBlockHeader;
  size_t bytes;
  std::memcpy(&bytes, block, sizeof bytes);
  budget += bytes + kBlockHeader;
  std::free(block);
}

void* budget_realloc(void* p, size_t old_bytes, size_t bytes) {
  void* fresh = budget_malloc(bytes);
  if (!fresh) return nullptr;
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
  if (!state) return {nullptr, budget_free};
  std::memset(static_cast<void*>(state.get()), 0, sizeof(stbi__jpeg));
  state->s = context;
  stbi__setup_jpeg(state.get());
  state->idct_block_kernel = jpeg::inverse_dct;
  state->resample_row_hv_2_kernel = jpeg::upsample_2x2;
  state->YCbCr_to_RGB_kernel = jpeg::ycbcr_to_rgb;
  return {load_jpeg_image(state.get(), w, h, channels, 3), budget_free};
}

Pixels load(std::span<const uint8_t> bytes, int* w, int* h, int* channels) {
  int size = static_cast<int>(bytes.size());
  if (bytes.size() < 2 || bytes[0] != 0xFF || bytes[1] != 0xD8) {
    return {stbi_load_from_memory(bytes.data(), size, w, h, channels, 3), budget_free};
  }
  stbi__context context;
  stbi__start_mem(&context, bytes.data(), size);
  return load_jpeg(&context, w, h, channels);
}

}  // namespace

Image stb_decode(std::span<const uint8_t> bytes, std::string_view name, int64_t width, int64_t height) {
  GRAFT_CHECK_AS(DataError, bytes.size() <= INT_MAX, name, ": ", bytes.size(), " bytes, more than 2 GiB");
  budget = static_cast<size_t>(8 * width * height * 4 + (int64_t{16} << 20));
  int w = 0, h = 0, channels = 0;
  Pixels pixels = load(bytes, &w, &h, &channels);
  GRAFT_CHECK_AS(DataError, pixels, name, ": the picture cannot be decoded (", stbi_failure_reason(), ")");
  GRAFT_CHECK_AS(DataError, w == width && h == height, name, ": decoded as ", w, " x ", h,
                 ", the header says ", width, " x ", height);
  Image image(width, height);
  std::memcpy(image.rgb.data(), pixels.get(), image.rgb.size());
  return image;
}

}  // namespace graft::data
