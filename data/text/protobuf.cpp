#include "data/text/protobuf.h"

#include <bit>

#include "core/error.h"

namespace graft::data {

void ProtoReader::reject(const std::string& what) const {
  fail<DataError>(where_, ", byte ", offset_ + at_, ": ", what);
}

uint64_t ProtoReader::read_varint() {
  uint64_t value = 0;
  for (int i = 0; i < 10; ++i) {
    if (at_ == bytes_.size()) reject("the file ends inside of a number");
    const auto byte = static_cast<uint8_t>(bytes_[at_++]);
    if (i == 9 && byte > 1) break;
    value |= uint64_t{byte & 0x7Fu} << (7 * i);
    if (byte < 0x80) return value;
  }
  reject("a number of more than 64 bits");
}

std::string_view ProtoReader::take(uint64_t n, const char* what) {
  const size_t left = bytes_.size() - at_;
  if (n > left) reject(str(what, " of ", n, " bytes, but only ", left, " are left"));
  std::string_view part = bytes_.substr(at_, static_cast<size_t>(n));
  at_ += static_cast<size_t>(n);
  return part;
}

bool ProtoReader::next() {
  if (at_ == bytes_.size()) return false;
  const uint64_t key = read_varint();
  if (key >> 3 == 0 || key >> 3 >= 1 << 29)
    reject(str("the field number ", key >> 3, " is not 1 to 2^29 - 1"));
  field_ = static_cast<uint32_t>(key >> 3);
  wire_ = static_cast<uint32_t>(key & 7);
  if (wire_ == 3 || wire_ == 4) reject("a group, which this format does not use");
  if (wire_ > 5) reject(str("the wire type ", wire_, ", which does not exist"));
  return true;
}

void ProtoReader::expect(uint32_t wire, const char* name) const {
  if (wire_ != wire) reject(str("field ", field_, " has the wire type ", wire_, ", but it is ", name));
}

uint64_t ProtoReader::varint() {
  expect(0, "a number");
  return read_varint();
}

float ProtoReader::f32() {
  expect(5, "a float");
  std::string_view b = take(4, "a float");
  uint32_t bits = 0;
  for (size_t i = 0; i < 4; ++i) bits |= uint32_t{static_cast<uint8_t>(b[i])} << (8 * i);
  return std::bit_cast<float>(bits);
}

std::string_view ProtoReader::bytes() {
  expect(2, "a string");
  return take(read_varint(), "a string");
}

ProtoReader ProtoReader::message() {
  expect(2, "a message");
  std::string_view inner = take(read_varint(), "a message");
  return ProtoReader(inner, where_, offset_ + at_ - inner.size());
}

void ProtoReader::skip() {
  switch (wire_) {
    case 0: read_varint(); break;
    case 1: take(8, "a field"); break;
    case 2: take(read_varint(), "a field"); break;
    default: take(4, "a field"); break;
  }
}

}  // namespace graft::data
