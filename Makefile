# make demo       calibrate this machine and predict networks it has not timed
# make test       everything: style, types, C++ tests, Python tests
# make sanitize   the C++ tests and the C library under the address and undefined-behaviour sanitizers
# make wheels     wheels for x86_64, aarch64 and armv7l, in dist/: docs/wheels.md
# make wheels-test  the same, installed natively and under qemu, and calibrating there
# make docs       the site, in build/site: open build/site/index.html, no server and no network needed
# make sbom       what is inside the package, in build/edgewise.cdx.json (CycloneDX)
# make tsan       the C++ tests under the thread sanitizer
# make fuzz       fuzz what reads files, FUZZ_SECONDS each (needs clang)
# make clean      remove what the others made

PYTHON ?= python3
VENV := .venv
DEMO := .venv-demo
WHEELS := .venv-wheels
BIN := $(VENV)/bin

# One thread a library: timings are steadier, and the tests do not fight over the cores.
export OMP_NUM_THREADS ?= 1

SOURCES := $(shell find native sdk converter -type f ! -name '*.pyc') CMakeLists.txt pyproject.toml

# CMake without pip: the headers of the build requirements lie in the environment.
CMAKE_FLAGS = -G Ninja -DCMAKE_MAKE_PROGRAM=$(abspath $(BIN)/ninja) \
	-DEDGEWISE_WERROR=ON -DEDGEWISE_BUILD_TESTS=ON -DEDGEWISE_LTO=OFF \
	-DEDGEWISE_DEPS_PREFIX=$(shell $(BIN)/python -c \
		"import sysconfig; print(sysconfig.get_path('purelib'))")

.PHONY: demo test lint ctest pytest sanitize tsan fuzz docs sbom wheels wheels-test clean

demo: $(DEMO)/installed
	$(DEMO)/bin/edgewise demo

$(DEMO)/installed: $(SOURCES)
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/python -m pip install --quiet '.[litert]'
	touch $@

test: lint ctest pytest

# All that the tests need. The build requirements come first, so that the build folder can be kept:
# pip's own build environment would be another one each time.
PIP_BUILD = --no-build-isolation -C build-dir=build/python -C cmake.define.EDGEWISE_WERROR=ON
$(VENV)/requirements: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet scikit-build-core pybind11 cmeel-eigen nlohmann-json \
		cmake ninja
	$(BIN)/python -m pip install --quiet $(PIP_BUILD) '.[dev,docs,converter,litert,onnx]'
	touch $@

$(VENV)/installed: $(VENV)/requirements $(SOURCES)
	$(BIN)/python -m pip install --quiet --force-reinstall --no-deps $(PIP_BUILD) .
	touch $@

lint: $(VENV)/requirements
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

ctest: $(VENV)/requirements
	$(BIN)/cmake -S . -B build/native $(CMAKE_FLAGS)
	$(BIN)/cmake --build build/native
	$(BIN)/ctest --test-dir build/native --output-on-failure

pytest: $(VENV)/installed
	$(BIN)/python -m pytest

# The examples in C and C++ too, against the library as it is installed.
sanitize: $(VENV)/installed
	$(BIN)/cmake -S . -B build/sanitize $(CMAKE_FLAGS) -DEDGEWISE_SANITIZE=ON
	$(BIN)/cmake --build build/sanitize
	$(BIN)/ctest --test-dir build/sanitize --output-on-failure -R '^(test|corpus)_'
	EDGEWISE_C_BUILD=build/sanitize $(BIN)/python -m pytest tests/c/test_examples.py

docs: $(VENV)/installed
	PYTHONPATH=docs $(BIN)/python -m pages build/site

sbom: $(VENV)/installed
	PATH=$(abspath $(BIN)):$$PATH $(BIN)/python -m release.sbom build/edgewise.cdx.json

tsan: $(VENV)/requirements
	$(BIN)/cmake -S . -B build/tsan $(CMAKE_FLAGS) -DEDGEWISE_SANITIZE_THREADS=ON
	$(BIN)/cmake --build build/tsan
	TSAN_OPTIONS=halt_on_error=1 $(BIN)/ctest --test-dir build/tsan --output-on-failure -R '^test_'

FUZZ_CLANG ?= clang++
FUZZ_SECONDS ?= 60
FUZZ_TARGETS ?= architecture bundle classifier model_file prior profile
fuzz: $(VENV)/requirements
	$(BIN)/cmake -S . -B build/fuzz $(CMAKE_FLAGS) -DCMAKE_CXX_COMPILER=$(FUZZ_CLANG) \
		-DEDGEWISE_FUZZ=ON -DEDGEWISE_BUILD_TESTS=OFF -DEDGEWISE_BUILD_C=OFF
	$(BIN)/cmake --build build/fuzz
	$(BIN)/python benchmarks/fuzz.py --build build/fuzz --seconds $(FUZZ_SECONDS) $(FUZZ_TARGETS)

# Its own environment: a compiler comes with it.
$(WHEELS)/installed: wheels/requirements.txt
	$(PYTHON) -m venv $(WHEELS)
	$(WHEELS)/bin/python -m pip install --quiet -r wheels/requirements.txt
	touch $@

wheels: $(WHEELS)/installed
	$(WHEELS)/bin/python wheels/wheel_build.py --report docs/results/wheels.json

wheels-test: $(WHEELS)/installed
	$(WHEELS)/bin/python wheels/wheel_platforms.py

clean:
	rm -rf build dist $(VENV) $(DEMO) $(WHEELS)
