// SHA-256 (FIPS 180-4): names the bytes of a tensor, a file or a data set in certificates, receipts and
// caches.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "core/tensor.h"

namespace graft {

class Sha256 {
 public:
  Sha256& add(const void* data, size_t bytes);
  Sha256& add(std::string_view text) { return add(text.data(), text.size()); }
  // Type, shape and elements in row-major order.
  Sha256& add(const Tensor& tensor);
  // 64 hexadecimal digits. The object is spent.
  std::string hex();

 private:
  void block(const unsigned char* p);
  std::array<uint32_t, 8> state_ = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
  std::array<unsigned char, 64> pending_{};
  uint64_t bytes_ = 0;
};

inline std::string sha256(std::string_view text) {
  return Sha256().add(text).hex();
}
inline std::string sha256(const Tensor& tensor) {
  return Sha256().add(tensor).hex();
}

}  // namespace graft
