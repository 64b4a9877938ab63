#include "borrowed.hpp"

#include <cstddef>
#include <cstring>
#include <initializer_list>
#include <string>

#include "edgewise/error.hpp"

namespace edgewise {
namespace {

constexpr std::size_t kField = 4;
constexpr std::size_t kFields = 7;  // before kScaledFormat one less: no scales
constexpr int kScaledFormat = 3;
constexpr std::size_t kScale = sizeof(float);

struct Loan {
  std::size_t offset = 0;  // in the whole tensor
  std::size_t source = 0;  // in the lender
  std::size_t outputs = 0, inputs = 0, window = 0;
  std::size_t item = 0;    // bytes of a number in the lender
  std::size_t scales = 0;  // in the lender, one for each output; 0: lent as they are

  std::size_t numbers() const { return outputs * inputs * window; }
  std::size_t item_in_whole() const { return scales == 0 ? item : kScale; }
};

std::size_t number_at(const std::uint8_t* data) {
  return data[0] | std::size_t{data[1]} << 8 | std::size_t{data[2]} << 16 |
         std::size_t{data[3]} << 24;
}

class Reader {
 public:
  Reader(const Tensor& stored, const Tensor& lender, int format, std::size_t limit)
      : stored_(stored),
        lender_(lender),
        fields_(format < kScaledFormat ? kFields - 1 : kFields),
        limit_(limit) {}

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
    if (count > (stored_.bytes - kField) / (kField * fields_)) fail("its table is cut short");
    taken_ = kField + count * kField * fields_;
    grow(stored_.bytes - taken_, 1);
    for (std::size_t i = 0; i < count; ++i) {
      loans_.push_back(read_loan(stored_.data + kField + i * kField * fields_));
      grow(loans_.back().numbers(), loans_.back().item_in_whole());
    }
  }

  // Divided, not multiplied: four bytes for each that the lender has may not fit.
  void grow(std::size_t numbers, std::size_t item) {
    if (numbers > (limit_ - size_) / item) {
      fail("it would have more than the " + std::to_string(limit_) + " bytes that are left of " +
           std::to_string(kMaxBorrowed) + " for all that borrow");
    }
    size_ += numbers * item;
  }

  Loan read_loan(const std::uint8_t* row) const {
    std::size_t fields[kFields] = {};
    for (std::size_t i = 0; i < fields_; ++i) fields[i] = number_at(row + i * kField);
    const Loan loan{fields[0], fields[1], fields[2], fields[3], fields[4], fields[5], fields[6]};
    if (!lent(loan.source, {loan.outputs, loan.inputs, loan.window, loan.item})) {
      fail("it borrows nothing, or what is not there");
    }
    if (loan.scales != 0 && (loan.item != 1 || !lent(loan.scales, {loan.outputs, kScale}))) {
      fail("it scales what is not of 8 bits, or by what is not there");
    }
    return loan;
  }

  // Whether the lender has something there, as many bytes as the product of `factors`.
  bool lent(std::size_t source, std::initializer_list<std::size_t> factors) const {
    // Divided, not multiplied: a product may not fit.
    std::size_t left = source < lender_.bytes ? lender_.bytes - source : 0;
    for (const std::size_t factor : factors) left = factor == 0 ? 0 : left / factor;
    return left != 0;
  }

  void keep(std::vector<std::uint8_t>& out, std::size_t bytes) {
    out.insert(out.end(), stored_.data + taken_, stored_.data + taken_ + bytes);
    taken_ += bytes;
  }

  // (outputs, window, inputs) of the lender becomes (outputs, inputs, window).
  void borrow(std::vector<std::uint8_t>& out, const Loan& loan) const {
    const std::size_t begin = out.size();
    const std::size_t item = loan.item_in_whole();
    out.resize(begin + loan.numbers() * item);
    std::uint8_t* to = out.data() + begin;
    for (std::size_t output = 0; output < loan.outputs; ++output) {
      const std::uint8_t* const from =
          lender_.data + loan.source + output * loan.inputs * loan.window * loan.item;
      const float scale = loan.scales == 0 ? 1.0F : scale_of(loan, output);
      for (std::size_t input = 0; input < loan.inputs; ++input) {
        for (std::size_t at = 0; at < loan.window; ++at, to += item) {
          const std::uint8_t* const number = from + (at * loan.inputs + input) * loan.item;
          if (loan.scales == 0) {
            std::memcpy(to, number, item);
          } else {
            const float value = static_cast<float>(static_cast<std::int8_t>(*number)) * scale;
            std::memcpy(to, &value, item);
          }
        }
      }
    }
  }

  // Models lie at any byte, and so do their scales.
  float scale_of(const Loan& loan, std::size_t output) const {
    float scale = 0.0F;
    std::memcpy(&scale, lender_.data + loan.scales + output * kScale, kScale);
    return scale;
  }

  const Tensor& stored_;
  const Tensor& lender_;
  std::size_t fields_;  // of a loan
  std::size_t limit_;
  std::vector<Loan> loans_;
  std::size_t size_ = 0;   // of the whole
  std::size_t taken_ = 0;  // bytes of `stored_` that are used already
};

}  // namespace

std::vector<std::uint8_t> with_borrowed(const Tensor& stored, const Tensor& lender,
                                        int format, std::size_t limit) {
  return Reader(stored, lender, format, limit).whole();
}

}  // namespace edgewise
