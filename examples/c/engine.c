#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST_RUNS = 101 };

/* A buffer that grows. */
typedef struct floats {
  float* data;
  size_t size;
} floats;

struct engine {
  const edgewise_space* space;
  edgewise_kernel* kernels;
  size_t room; /* kernels allocated */
  size_t count;
  floats in, out, weights;
  char error[256];
};

static int fail(engine* self, const char* why) {
  snprintf(self->error, sizeof self->error, "%s", why);
  return 0;
}

/* At least `size` floats, the new ones small numbers that are no denormals. */
static int grow(floats* buffer, size_t size) {
  float* data;
  size_t i;
  if (size <= buffer->size) return 1;
  data = realloc(buffer->data, size * sizeof *data);
  if (data == NULL) return 0;
  for (i = buffer->size; i < size; ++i) data[i] = 0.01f * (float)(i % 61) - 0.3f;
  buffer->data = data;
  buffer->size = size;
  return 1;
}

engine* engine_create(const edgewise_space* space) {
  engine* self = calloc(1, sizeof *self);
  if (self != NULL) self->space = space;
  return self;
}

void engine_free(engine* self) {
  if (self == NULL) return;
  free(self->kernels);
  free(self->in.data);
  free(self->out.data);
  free(self->weights.data);
  free(self);
}

const char* engine_error(const engine* self) { return self->error; }

/* The kernels of `arch` into self->kernels, with more room if there is too little. */
static int load(engine* self, const char* arch) {
  edgewise_status status =
      edgewise_space_kernels(self->space, arch, self->kernels, self->room, &self->count);
  if (status == EDGEWISE_ERROR_TOO_SMALL) {
    edgewise_kernel* kernels = realloc(self->kernels, self->count * sizeof *kernels);
    if (kernels == NULL) return fail(self, "out of memory");
    self->kernels = kernels;
    self->room = self->count;
    status = edgewise_space_kernels(self->space, arch, kernels, self->room, &self->count);
  }
  return status == EDGEWISE_OK ? 1 : fail(self, edgewise_last_error());
}

static size_t volume(int height, int width, int channels) {
  return (size_t)height * (size_t)width * (size_t)channels;
}

static int is_op(const edgewise_kernel* kernel, const char* op) {
  return strcmp(kernel->op, op) == 0;
}

static size_t weight_count(const edgewise_kernel* k) {
  const size_t window = (size_t)k->kernel_height * (size_t)k->kernel_width;
  if (is_op(k, "conv")) {
    return window * (size_t)(k->in_channels / k->groups) * (size_t)k->out_channels;
  }
  if (is_op(k, "linear")) return (size_t)k->in_channels * (size_t)k->out_channels;
  return 0;
}

static int reserve(engine* self) {
  size_t i;
  for (i = 0; i < self->count; ++i) {
    const edgewise_kernel* k = &self->kernels[i];
    if (!grow(&self->in, volume(k->height, k->width, k->in_channels)) ||
        !grow(&self->out, volume(k->out_height, k->out_width, k->out_channels)) ||
        !grow(&self->weights, weight_count(k))) {
      return fail(self, "out of memory");
    }
  }
  return 1;
}

/* One pixel of a convolution's result, its numbers in the order height, width, channel; weights
 * (kernel_height, kernel_width, in per group, out). */
static void conv_pixel(const edgewise_kernel* k, const float* in, const float* weights, int y,
                       int x, float* out) {
  const int in_group = k->in_channels / k->groups;
  const int out_group = k->out_channels / k->groups;
  int dy, dx, g, i, o;
  for (o = 0; o < k->out_channels; ++o) out[o] = 0.0f;
  for (dy = 0; dy < k->kernel_height; ++dy) {
    const int row = y * k->stride + dy - k->kernel_height / 2;
    if (row < 0 || row >= k->height) continue;
    for (dx = 0; dx < k->kernel_width; ++dx) {
      const int column = x * k->stride + dx - k->kernel_width / 2;
      const float* pixel;
      const float* window;
      if (column < 0 || column >= k->width) continue;
      pixel = in + volume(row, k->width, k->in_channels) + volume(1, column, k->in_channels);
      window = weights + volume(dy * k->kernel_width + dx, in_group, k->out_channels);
      for (g = 0; g < k->groups; ++g) {
        for (i = 0; i < in_group; ++i) {
          const float value = pixel[g * in_group + i];
          const float* w = window + volume(1, i, k->out_channels) + g * out_group;
          float* sum = out + g * out_group;
          for (o = 0; o < out_group; ++o) sum[o] += value * w[o];
        }
      }
    }
  }
}

static void conv(const edgewise_kernel* k, const float* in, const float* weights, float* out) {
  int y, x;
  for (y = 0; y < k->out_height; ++y) {
    for (x = 0; x < k->out_width; ++x) {
      conv_pixel(k, in, weights, y, x,
                 out + volume(y, k->out_width, k->out_channels) + volume(1, x, k->out_channels));
    }
  }
}

static void linear(const edgewise_kernel* k, const float* in, const float* weights, float* out) {
  int i, o;
  for (o = 0; o < k->out_channels; ++o) out[o] = 0.0f;
  for (i = 0; i < k->in_channels; ++i) {
    const float* row = weights + volume(1, i, k->out_channels);
    for (o = 0; o < k->out_channels; ++o) out[o] += in[i] * row[o];
  }
}

/* The mean over the window, or over everything for global_avg_pool. */
static void pool(const edgewise_kernel* k, const float* in, float* out) {
  const int global = k->out_height == 1 && k->out_width == 1 && k->kernel_height == 1;
  const int window_height = global ? k->height : k->kernel_height;
  const int window_width = global ? k->width : k->kernel_width;
  int y, x, dy, dx, c;
  for (y = 0; y < k->out_height; ++y) {
    for (x = 0; x < k->out_width; ++x) {
      float* sum = out + volume(y, k->out_width, k->out_channels) + volume(1, x, k->out_channels);
      for (c = 0; c < k->out_channels; ++c) sum[c] = 0.0f;
      for (dy = 0; dy < window_height; ++dy) {
        const int row = y * k->stride + dy - (global ? 0 : window_height / 2);
        if (row < 0 || row >= k->height) continue;
        for (dx = 0; dx < window_width; ++dx) {
          const int column = x * k->stride + dx - (global ? 0 : window_width / 2);
          const float* pixel;
          if (column < 0 || column >= k->width) continue;
          pixel = in + volume(row, k->width, k->in_channels) + volume(1, column, k->in_channels);
          for (c = 0; c < k->out_channels; ++c) sum[c] += pixel[c];
        }
      }
      for (c = 0; c < k->out_channels; ++c) sum[c] /= (float)(window_height * window_width);
    }
  }
}

/* Additions, activations, copies: each element of the result, read and written once. */
static void elements(const float* in, size_t given, float* out, size_t count) {
  size_t i;
  for (i = 0; i < count; ++i) out[i] = out[i] * 0.5f + in[i % given];
}

static void relu(float* values, size_t count) {
  size_t i;
  for (i = 0; i < count; ++i) values[i] = values[i] > 0.0f ? values[i] : 0.0f;
}

static float run(engine* self) {
  const float* in = self->in.data;
  float* out = self->out.data;
  float seen = 0.0f;
  size_t i;
  for (i = 0; i < self->count; ++i) {
    const edgewise_kernel* k = &self->kernels[i];
    const size_t size = volume(k->out_height, k->out_width, k->out_channels);
    if (is_op(k, "conv")) {
      conv(k, in, self->weights.data, out);
    } else if (is_op(k, "linear")) {
      linear(k, in, self->weights.data, out);
    } else if (is_op(k, "avg_pool") || is_op(k, "max_pool") || is_op(k, "global_avg_pool")) {
      pool(k, in, out);
    } else {
      elements(in, volume(k->height, k->width, k->in_channels), out, size);
    }
    if (strcmp(k->activation, "identity") != 0) relu(out, size);
    seen += out[size - 1]; /* so that no compiler leaves the work out */
  }
  return seen;
}

static int by_value(const void* a, const void* b) {
  const double x = *(const double*)a;
  const double y = *(const double*)b;
  return (x > y) - (x < y);
}

/* CPU time, which other programs do not lengthen; this engine has one thread. */
static double milliseconds(void) { return 1000.0 * (double)clock() / CLOCKS_PER_SEC; }

double engine_milliseconds(engine* self, const char* arch, int runs) {
  static volatile float kept;
  double times[MOST_RUNS];
  int i;
  if (runs < 1 || runs > MOST_RUNS) {
    fail(self, "runs must be 1 to 101");
    return -1.0;
  }
  if (!load(self, arch) || !reserve(self)) return -1.0;
  kept = run(self); /* warms the caches, and is not counted */
  for (i = 0; i < runs; ++i) {
    const double begun = milliseconds();
    kept = run(self);
    times[i] = milliseconds() - begun;
  }
  (void)kept;
  qsort(times, (size_t)runs, sizeof *times, by_value);
  return times[runs / 2];
}
