/* An inference engine as small as one can be: it runs the kernels of a network, one after the
 * other, in plain C, with weights and pictures of made-up numbers. It stands for the engine of your
 * app, whose speed on this very device is what edgewise learns. */
#ifndef ENGINE_H
#define ENGINE_H

#include <edgewise/edgewise.h>

typedef struct engine engine;

/* Room for networks of `space`; NULL when there is no memory. */
engine* engine_create(const edgewise_space* space);
void engine_free(engine* self);

/* The median milliseconds of `runs` runs of an architecture; below 0 when it cannot be run, and
 * then engine_error says why. */
double engine_milliseconds(engine* self, const char* arch, int runs);
const char* engine_error(const engine* self);

#endif
