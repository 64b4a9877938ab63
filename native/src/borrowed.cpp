#include "borrowed.hpp"

#include <cstddef>
#include <cstring>
#include <string>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

constexpr std::size_t kField = 4;
constexpr std::size_t kFields = 6;

struct Loan {
  std::size_t offset = 0;  // in the whole tensor
  std::size_t source = 0;  // in the lender
  std::size_t outputs = 0, inputs = 0, window = 0;
  std::size_t item = 0;  // bytes of a number

  std::size_t size() const { return outputs * inputs * window * item; }
};

std::size_t number_at(const std::uint8_t* data) {
  return data[0] | std::size_t{data[1]} << 8 | std::size_t{data[2]} << 16 |
         std::size_t{data[3]} << 24;
}

class Reader {
 public:
  Reader(const Tensor& stored, const Tensor& lender, std::size_t limit)
      : stored_(stored), lender_(lender), limit_(limit) {}

  std::vector<std::uint8_t> whole() {
    read_table();
    std::vector<std::uint8_t> out;
    out.reserve(size_);
    for (const Loan& loan : loans_) {
      if (loan.offset < out.size() || loan.offset - out.size() > stored_.bytes - taken_) {
        fail("a loan at " + std::to_string(loan.offset) + " overlaps another or lies outside");
      }
      keep(out, loan.offset - out.size());
      borrow(out, loan);
    }
    keep(out, stored_.bytes - taken_);
    return out;
  }

 private:
  [[noreturn]] void fail(const std::string& cause) const {
    throw Error(ErrorKind::kBundle, "tensor '" + printable(stored_.name) +
                                        "' cannot be put together from '" +
                                        printable(lender_.name) + "': " + cause);
  }

  void read_table() {
    if (stored_.bytes < kField) fail("its table is cut short");
    const std::size_t count = number_at(stored_.data);
    if (count > (stored_.bytes - kField) / (kField * kFields)) fail("its table is cut short");
    taken_ = kField + count * kField * kFields;
    size_ = stored_.bytes - taken_;
    for (std::size_t i = 0; i < count; ++i) {
      loans_.push_back(read_loan(stored_.data + kField + i * kField * kFields));
      size_ += loans_.back().size();
      if (size_ > limit_) {
        fail("it would have more than the " + std::to_string(limit_) + " bytes that are left of " +
             std::to_string(kMaxBorrowed) + " for all that borrow");
      }
    }
  }

  Loan read_loan(const std::uint8_t* row) const {
    std::size_t fields[kFields];
    for (std::size_t i = 0; i < kFields; ++i) fields[i] = number_at(row + i * kField);
    const Loan loan{fields[0], fields[1], fields[2], fields[3], fields[4], fields[5]};
    // Divided, not multiplied: a product may not fit.
    std::size_t left = loan.source < lender_.bytes ? lender_.bytes - loan.source : 0;
    for (const std::size_t factor : {loan.outputs, loan.inputs, loan.window, loan.item}) {
      left = factor == 0 ? 0 : left / factor;
    }
    if (left == 0) fail("it borrows nothing, or what is not there");
    return loan;
  }

  void keep(std::vector<std::uint8_t>& out, std::size_t bytes) {
    out.insert(out.end(), stored_.data + taken_, stored_.data + taken_ + bytes);
    taken_ += bytes;
  }

  // (outputs, window, inputs) of the lender becomes (outputs, inputs, window).
  void borrow(std::vector<std::uint8_t>& out, const Loan& loan) const {
    const std::size_t begin = out.size();
    out.resize(begin + loan.size());
    std::uint8_t* to = out.data() + begin;
    for (std::size_t output = 0; output < loan.outputs; ++output) {
      const std::uint8_t* const from =
          lender_.data + loan.source + output * loan.inputs * loan.window * loan.item;
      for (std::size_t input = 0; input < loan.inputs; ++input) {
        for (std::size_t at = 0; at < loan.window; ++at, to += loan.item) {
          std::memcpy(to, from + (at * loan.inputs + input) * loan.item, loan.item);
        }
      }
    }
  }

  const Tensor& stored_;
  const Tensor& lender_;
  std::size_t limit_;
  std::vector<Loan> loans_;
  std::size_t size_ = 0;   // of the whole
  std::size_t taken_ = 0;  // bytes of `stored_` that are used already
};

}  // namespace

std::vector<std::uint8_t> with_borrowed(const Tensor& stored, const Tensor& lender,
                                        std::size_t limit) {
  return Reader(stored, lender, limit).whole();
}

}  // namespace edgewise
