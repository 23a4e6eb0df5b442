// The freeze certificate: what must not move is hashed before the first step and after the last.
#pragma once

#include "transfer/plan.h"
#include "transfer/result.h"

namespace graft::transfer {

// A frozen tensor moved. Exit code 70.
class CertificateError : public Error {
 public:
  using Error::Error;
};

// The state of a network before its training: SHA-256 and a copy of every tensor.
class Snapshot {
 public:
  explicit Snapshot(const Plan& plan);

  // Compares with what the tensors hold now. Does not throw: the certificate says what moved.
  Certificate certify() const;
  // Throws CertificateError where one of these has moved before it was to train: `when` says before what.
  void require_still(const std::vector<nn::NamedTensor>& tensors, const std::string& when) const;
  // How far each tensor went.
  std::vector<Moved> distances() const;

 private:
  struct Line {
    nn::NamedTensor tensor;
    bool frozen;
    std::string sha256;
    Tensor before;
  };
  std::vector<Line> lines_;
};

// Names the state of a network: SHA-256 over the names and elements of all its tensors.
std::string weights_sha256(nn::Module& network);

// Throws CertificateError, naming the tensors, if a frozen one moved.
void require_intact(const Certificate& certificate);

}  // namespace graft::transfer
