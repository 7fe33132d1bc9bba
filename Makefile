# A thin front for Meson and the scripts in tools/ and tests/.
.PHONY: build up check check-all sim bench format clean asan tsan

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

# Florin in simulated worlds: make sim ARGS="--seeds 1..2000 --jobs 2"
sim: build
	@exec build/florin-sim $(or $(ARGS),--seeds 1..100 --jobs 2)

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
	rm -rf build build-*
