// Reads Protocol Buffers messages. Source: protobuf.dev, "Encoding".
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace graft::data {

// The fields of one message, in their order. Every read is checked against the message's end; throws
// DataError, beginning with `where`, that names the byte.
class ProtoReader {
 public:
  ProtoReader(std::string_view message, std::string where, size_t offset = 0)
      : bytes_(message), where_(std::move(where)), offset_(offset) {}

  // Goes to the next field; false at the end. Its value must be taken with one of the functions below.
  bool next();
  uint32_t field() const { return field_; }

  uint64_t varint();  // wire type 0
  bool boolean() { return varint() != 0; }
  float f32();               // wire type 5
  std::string_view bytes();  // wire type 2
  ProtoReader message();     // wire type 2, of a message
  void skip();               // any of these, and wire type 1

  // Throws DataError about the field at hand.
  [[noreturn]] void reject(const std::string& what) const;

 private:
  uint64_t read_varint();
  std::string_view take(uint64_t n, const char* what);
  void expect(uint32_t wire, const char* name) const;

  std::string_view bytes_;
  std::string where_;
  size_t offset_ = 0;  // of the message in the file
  size_t at_ = 0;
  uint32_t field_ = 0, wire_ = 0;
};

}  // namespace graft::data
