// The tensors and operators of a TFLite file, as its schema names them.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "flatbuffer.hpp"
#include "model_value.hpp"

namespace edgewise {

class TfliteModel {
 public:
  explicit TfliteModel(FlatBytes bytes);

  std::size_t tensor_count() const noexcept { return tensors_.size(); }
  std::size_t operator_count() const noexcept { return operators_.size(); }

  // A tensor: constant when the file holds its elements. Its sizes may still be missing.
  Value value(std::size_t tensor) const;
  std::string_view name(std::size_t tensor) const;
  // The dimensions of unknown size, which the file marks by -1; empty when it marks none.
  std::vector<std::size_t> unknown_sizes(std::size_t tensor) const;
  // The numbers of a small constant: all of them, or none when it is large or of another type.
  std::vector<double> content(std::size_t tensor) const;

  FlatNumbers<std::int32_t> inputs() const { return graph_.numbers<std::int32_t>(1); }
  FlatNumbers<std::int32_t> outputs() const { return graph_.numbers<std::int32_t>(2); }

  FlatTable op(std::size_t index) const { return operators_[index]; }
  int code(const FlatTable& op) const;               // BuiltinOperator
  std::string unknown_name(const FlatTable& op) const;  // for messages and answers

 private:
  static FlatTable first_graph(const FlatTable& model);
  FlatTable operator_code(const FlatTable& op) const;

  FlatBytes bytes_;
  FlatTable model_;
  FlatTable graph_;
  FlatTables codes_;
  FlatTables buffers_;
  FlatTables tensors_;
  FlatTables operators_;
};

// The name of a built-in operator; empty for a number that the schema does not have.
std::string_view tflite_operator_name(int code) noexcept;

}  // namespace edgewise
