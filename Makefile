# A thin front for Meson and the scripts in tools/ and tests/.
.PHONY: build up check check-all bench format clean asan tsan

build:
	@tools/setup build
	@tools/build release

# Everything in one command: make up ARGS="--api 127.0.0.1:9000"
up: build
	@exec build/florin up $(ARGS)

check:
	@tools/setup check
	@tests/run check

check-all:
	@tools/setup all
	@tests/run all

bench: build
	@tools/setup bench
	@tests/bench/run

asan tsan:
	@tools/setup build
	@tools/build $@

format:
	@tools/setup check
	@tools/format

clean:
	rm -rf build build-asan build-tsan build-fuzz build-fuzz.log
