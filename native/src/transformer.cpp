#include "edgewise/transformer.hpp"

#include <array>
#include <cmath>

#include "flat_json.hpp"
#include "graph_builder.hpp"

namespace edgewise {

using namespace transformer;

namespace {

constexpr int kWhole = -1;  // as Column::layers: no average over layers

// A column of HAT's tables. A code is the value in units, times the layers where it is an average;
// then the bounds are those of one layer.
struct Column {
  const char* key;
  int unit;
  int layers;  // the code that holds the number of layers
  int low;
  int high;
  int step;
};
constexpr std::array<Column, kCodes> kColumns = {{
    {"encoder_embed_dim", 64, kWhole, 8, 10, 2},
    {"encoder_layer_num", 1, kWhole, 6, 6, 1},
    {"encoder_ffn_embed_dim_avg", 512, kEncoderLayers, 1, 6, 1},
    {"encoder_self_attention_heads_avg", 1, kEncoderLayers, 2, 8, 2},
    {"decoder_embed_dim", 64, kWhole, 8, 10, 2},
    {"decoder_layer_num", 1, kWhole, 1, 6, 1},
    {"decoder_ffn_embed_dim_avg", 512, kDecoderLayers, 1, 6, 1},
    {"decoder_self_attention_heads_avg", 1, kDecoderLayers, 2, 8, 2},
    {"decoder_ende_attention_heads_avg", 1, kDecoderLayers, 2, 8, 2},
    {"decoder_arbitrary_ende_attn_avg", 1, kDecoderLayers, 1, 3, 1},
}};

constexpr const char* kForm =
    "an object of HAT's ten columns, '{\"encoder_embed_dim\":640,...}': 512 or 640 wide, 6 encoder "
    "and 1 to 6 decoder layers, feed-forward widths of 512 to 3072, 2 to 8 heads, attention to 1 "
    "to 3 encoder layers";

int layers_of(const Column& column, const std::uint8_t* codes) noexcept {
  return column.layers == kWhole ? 1 : codes[column.layers];
}

bool fits(const Column& column, const std::uint8_t* codes, int code) noexcept {
  const int layers = layers_of(column, codes);
  return code >= layers * column.low && code <= layers * column.high &&
         (code - layers * column.low) % column.step == 0;
}

// The code whose value is within 0.001 of `value`; 0, which fits nowhere, when there is none.
std::uint8_t nearest_code(const Column& column, const std::uint8_t* codes, double value) noexcept {
  const double scale = static_cast<double>(layers_of(column, codes)) / column.unit;
  const double code = std::round(value * scale);
  const bool near = code > 0.0 && code < 255.0 && std::abs(code / scale - value) <= 1e-3;
  return near ? static_cast<std::uint8_t>(code) : 0;
}

// `total / layers` with at most four decimals, the same on every machine and in every locale.
std::string average(int total, int layers) {
  const long long scaled = (10000LL * total + layers / 2) / layers;
  std::string text = std::to_string(scaled / 10000);
  std::string decimals = std::to_string(10000 + scaled % 10000).substr(1);
  decimals.erase(decimals.find_last_not_of('0') + 1);
  return decimals.empty() ? text : text + '.' + decimals;
}

// Lowering.

constexpr int kTokens = 30;      // of the source, and as many steps of the decoder
constexpr int kAttention = 512;  // width of queries, keys and values, all heads together
constexpr int kVocabulary = 32768;

// Layer `index`'s part of a sum that is divided over `layers` as evenly as whole parts go.
int share(int sum, int layers, int index) noexcept {
  return sum * (index + 1) / layers - sum * index / layers;
}

// The row of each token: nothing is multiplied.
GraphValue embed(GraphBuilder& out, int input, int width) {
  const GraphValue tokens = {input, 1, 1, kTokens, 1};
  return out.linear(tokens, width);
}

GraphValue add_and_norm(GraphBuilder& out, const GraphValue& value, const GraphValue& residual) {
  return out.keep_shape(KernelOp::kLayerNorm, out.join(KernelOp::kAdd, value, residual));
}

GraphValue attend(GraphBuilder& out, const GraphValue& in, const GraphValue& memory, int heads) {
  const int part = kAttention / heads;
  GraphValue query = out.linear(in, kAttention);
  const GraphValue key = out.linear(memory, kAttention);
  const GraphValue value = out.linear(memory, kAttention);
  query.batch = heads;
  query.channels = part;
  GraphValue scores = query;
  scores.channels = memory.width;
  scores = out.add(KernelOp::kMatMul, query, scores);
  out.also_reads(key);
  scores = out.keep_shape(KernelOp::kSoftmax, scores);
  GraphValue mixed = scores;
  mixed.channels = part;
  mixed = out.add(KernelOp::kMatMul, scores, mixed);
  out.also_reads(value);
  mixed.batch = 1;
  mixed.channels = kAttention;
  return add_and_norm(out, out.linear(mixed, in.channels), in);
}

GraphValue feed_forward(GraphBuilder& out, const GraphValue& in, int width) {
  return add_and_norm(out, out.linear(out.linear(in, width, KernelOp::kRelu), in.channels), in);
}

// The results of the last `count` encoder layers, one after another.
GraphValue memory_of(GraphBuilder& out, const std::vector<GraphValue>& encoded, int count) {
  const GraphValue& last = encoded.back();
  if (count == 1) return last;
  GraphValue in = last;
  in.channels *= count;
  in.kernel = GraphValue::kConstant;
  GraphValue together = last;
  together.width *= count;
  together = out.add(KernelOp::kConcat, in, together);
  for (auto it = encoded.end() - count; it != encoded.end(); ++it) out.also_reads(*it);
  return together;
}

}  // namespace

const char* Transformer::form() const noexcept { return kForm; }

bool Transformer::read(std::string_view text, std::uint8_t* codes,
                       TextFault* fault) const noexcept {
  std::array<JsonNumber, kCodes> numbers;
  std::array<JsonField, kCodes> fields;
  for (int i = 0; i < kCodes; ++i) {
    fields[i] = {kColumns[i].key, JsonField::kNumber, &numbers[i]};
  }
  if (!read_flat_json(text, fields.data(), fields.size(), fault)) return false;
  const auto convert = [&](bool averages) {
    for (int i = 0; i < kCodes; ++i) {
      const Column& column = kColumns[i];
      if ((column.layers != kWhole) != averages) continue;
      codes[i] = nearest_code(column, codes, numbers[i].value);
      if (fits(column, codes, codes[i])) continue;
      *fault = {numbers[i].position, "no network of the space has this", column.key};
      return false;
    }
    return true;
  };
  return convert(/*averages=*/false) && convert(/*averages=*/true);  // layers come first
}

std::string Transformer::decode(const std::uint8_t* codes) const {
  check(codes);
  std::string text;
  for (int i = 0; i < kCodes; ++i) {
    const Column& column = kColumns[i];
    text += text.empty() ? "{\"" : ",\"";
    text += column.key;
    text += "\":" + average(codes[i] * column.unit, layers_of(column, codes));
  }
  return text + '}';
}

std::vector<std::vector<std::uint8_t>> Transformer::choices() const {
  std::vector<std::vector<std::uint8_t>> all;
  for (const Column& column : kColumns) {
    const bool whole = column.layers == kWhole;
    const int fewest = whole ? 1 : kColumns[column.layers].low;
    const int most = whole ? 1 : kColumns[column.layers].high;
    all.emplace_back();
    for (int code = fewest * column.low; code <= most * column.high; code += column.step) {
      all.back().push_back(static_cast<std::uint8_t>(code));
    }
  }
  return all;
}

std::size_t Transformer::fault(const std::uint8_t* codes) const noexcept {
  for (const bool averages : {false, true}) {
    for (int i = 0; i < kCodes; ++i) {
      const bool average = kColumns[i].layers != kWhole;
      if (average == averages && !fits(kColumns[i], codes, codes[i])) {
        return static_cast<std::size_t>(i);
      }
    }
  }
  return kCodes;
}

std::string Transformer::why(const std::uint8_t* codes, std::size_t position) const {
  const Column& column = kColumns[position];
  if (column.layers == kWhole) return Space::why(codes, position);
  const int layers = codes[column.layers];
  const std::string by = column.step == 1 ? "" : " by " + std::to_string(column.step);
  return "transformer: position " + std::to_string(position) + " holds " +
         std::to_string(codes[position]) + "; with " + std::to_string(layers) +
         " layers it may be " + std::to_string(layers * column.low) + " to " +
         std::to_string(layers * column.high) + by;
}

void Transformer::canonical(std::uint8_t* codes) const noexcept {
  for (int i = 0; i < kCodes; ++i) {
    const Column& column = kColumns[i];
    if (column.layers == kWhole || fits(column, codes, codes[i])) continue;
    const int layers = codes[column.layers];
    const int values = layers * (column.high - column.low) / column.step + 1;
    codes[i] = static_cast<std::uint8_t>(layers * column.low +
                                         codes[i] / column.step % values * column.step);
  }
}

KernelGraph Transformer::lower(const std::uint8_t* codes, std::string_view semantics) const {
  check(codes);
  index_of(semantics);
  GraphBuilder out(256);
  std::vector<GraphValue> encoded;
  const int encoders = codes[kEncoderLayers];
  out.at(Position{0, -1, -1});
  GraphValue value = embed(out, Kernel::kInput, 64 * codes[kEncoderWidth]);
  for (int l = 0; l < encoders; ++l) {
    out.at(Position{0, l, -1});
    value = attend(out, value, value, 2 * share(codes[kEncoderHeads] / 2, encoders, l));
    value = feed_forward(out, value, 512 * share(codes[kEncoderFeedForward], encoders, l));
    encoded.push_back(value);
  }
  const int decoders = codes[kDecoderLayers];
  out.at(Position{1, -1, -1});
  value = embed(out, Kernel::kInput - 1, 64 * codes[kDecoderWidth]);
  for (int l = 0; l < decoders; ++l) {
    out.at(Position{1, l, -1});
    value = attend(out, value, value, 2 * share(codes[kDecoderHeads] / 2, decoders, l));
    const GraphValue memory = memory_of(out, encoded, share(codes[kCrossLayers], decoders, l));
    value = attend(out, value, memory, 2 * share(codes[kCrossHeads] / 2, decoders, l));
    value = feed_forward(out, value, 512 * share(codes[kDecoderFeedForward], decoders, l));
  }
  out.at(Position{2, -1, -1});
  out.linear(value, kVocabulary);
  return out.take();
}

}  // namespace edgewise
