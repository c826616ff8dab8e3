# make demo   installs what is missing, builds, and plays a live test feed on http://127.0.0.1:8080/
# make test   installs what is missing, and runs all tests

INPUT ?= testsrc:
LADDER ?= demo
PORT ?= 8080
CARGO ?= cargo
RUST_NEEDED := 1.95.0
SEED ?= 20261123
PACKAGES := libavcodec-dev libavformat-dev libavutil-dev libavfilter-dev libavdevice-dev libswscale-dev libswresample-dev \
            libgstreamer1.0-dev libgstreamer-plugins-base1.0-dev gstreamer1.0-plugins-base gstreamer1.0-plugins-good \
            libzimg-dev libclang-dev clang gcc libc6-dev make nasm pkg-config ffmpeg

.DEFAULT_GOAL := help
.PHONY: help deps build demo install man docs prove-container check test test-players bench versus latency encoders faults testdata fuzz

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo "also: deps, build, install (what make build made; PREFIX, DESTDIR), man, check (format, lints, documentation), bench, versus FEED=file (beside FFmpeg 9), report (beside three programs, as a page), scaling (docs/scaling.md), latency (likewise), test-players (hls.js, Shaka Player, dash.js in Chromium), drill (the same beside an origin whose workers are killed), test-api (schemathesis), s3 (a server for the tests of object stores), encoders (docs/encoders.md), faults (the drill of docs/faults.md), check-deploy (the manifests of deploy/kubernetes), check-mpd DASH_SCHEMA=file (MPDs against the schema), testdata, docs (the tables of docs/job.md, from the code), prove-container (the Dockerfile, step by step, without an engine; as root), fuzz TARGET=name"
	@echo "settings: INPUT=$(INPUT) LADDER=$(LADDER) PORT=$(PORT)"

# Installs only what is missing; without anything missing it needs no network and no rights.
deps:
	@sh scripts/deps "$(CARGO)" $(RUST_NEEDED) $(PACKAGES)

build: deps
	$(CARGO) build --release --locked

demo: build
	target/release/mezzo run --input '$(INPUT)' --ladder '$(LADDER)' --listen '127.0.0.1:$(PORT)' --pace live

# What `make build` made, man pages, completions and ladders: sudo make install, or DESTDIR=pkg PREFIX=/usr for a package.
PREFIX ?= /usr/local
DESTDIR ?=
BINARY ?= target/release/mezzo
SHARE = $(DESTDIR)$(PREFIX)/share
install:
	@test -x $(BINARY) || { echo "install: there is no $(BINARY) yet: make build" >&2; exit 1; }
	install -D -m 755 $(BINARY) $(DESTDIR)$(PREFIX)/bin/mezzo
	$(BINARY) man $(SHARE)/man/man1
	install -d $(SHARE)/bash-completion/completions $(SHARE)/zsh/site-functions $(SHARE)/fish/vendor_completions.d $(SHARE)/mezzo/ladders $(SHARE)/doc/mezzo
	$(BINARY) completions bash > $(SHARE)/bash-completion/completions/mezzo
	$(BINARY) completions zsh > $(SHARE)/zsh/site-functions/_mezzo
	$(BINARY) completions fish > $(SHARE)/fish/vendor_completions.d/mezzo.fish
	install -m 644 ladders/*.toml $(SHARE)/mezzo/ladders
	install -m 644 LICENSE-APACHE LICENSE-MIT README.md CHANGELOG.md Cargo.lock $(SHARE)/doc/mezzo

# Into target/man: man -l target/man/mezzo-run.1
man: build
	$(BINARY) man target/man

# The tables of docs/job.md are made from src/job/keys; a test holds them against each other.
docs: deps
	MEZZO_WRITE_DOCS=1 $(CARGO) test --locked --lib job::keys

# Takes the steps of the Dockerfile in a debootstrapped root, and tries what comes out. ARGS='--help' for more.
prove-container:
	deploy/container/prove $(ARGS)

check: deps
	$(CARGO) fmt --all -- --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked
	@if $(CARGO) deny --version >/dev/null 2>&1; then $(CARGO) deny --locked check; \
	else echo "check: cargo-deny is not installed, so licences and advisories were not checked (cargo install cargo-deny --locked)"; fi

# What only the tests want: an origin to push to, readers of man pages and of JSON Schema, other processors, GStreamer's coders and parsers, and a device that needs no graphics processor.
test: PACKAGES += curl gstreamer1.0-tools nginx-light openssl groff-base python3-gi python3-jsonschema gir1.2-gst-rtsp-server-1.0 qemu-user gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav mesa-vulkan-drivers prometheus
# Properties are tried on the same cases wherever a state is tested; SEED=n for others.
test: export PROPTEST_RNG_SEED = $(SEED)
test: deps
	@command -v chromium >/dev/null || echo "test: there is no chromium, so the page is not played in a browser"
	@test -d ../shared/media || echo "test: there are no clips in ../shared/media, so what needs real feeds is skipped"
	@test -x target/s3/bin/s3s-fs || command -v s3s-fs >/dev/null || echo "test: there is no s3s-fs (make s3: two to four minutes, once), so object stores are not tested"
	@if $(CARGO) nextest --version >/dev/null 2>&1; then \
		$(CARGO) nextest run --workspace --locked && $(CARGO) test --workspace --doc --locked; \
	else $(CARGO) test --workspace --locked; fi

# Real players in a real browser: 60 s each on AVC and on AV1 (ARGS='--seconds 15 --codec avc' for a quick look).
test-players: PACKAGES += chromium nodejs npm
test-players: build
	cd tests/players && npm ci --no-audit --no-fund --silent
	node tests/players/players.mjs $(ARGS)

# The same players beside two workers and an origin to which everything happens.
.PHONY: drill
drill: PACKAGES += chromium nodejs npm
drill: build
	cd tests/players && npm ci --no-audit --no-fund --silent
	node tests/players/drill.mjs $(ARGS)

# The API against its own description, by schemathesis.
SCHEMATHESIS := 4.32.5
.PHONY: test-api
test-api: PACKAGES += python3-venv
test-api: build target/schemathesis/$(SCHEMATHESIS)
	tests/api/run $(CURDIR)/target/release/mezzo $(CURDIR)/target/schemathesis/bin/schemathesis $(ARGS)

target/schemathesis/$(SCHEMATHESIS):
	python3 -m venv target/schemathesis
	target/schemathesis/bin/pip install -q schemathesis==$(SCHEMATHESIS)
	@touch $@

# An S3 server that checks signatures, for the tests of object stores.
.PHONY: s3
s3: deps
	@test -x target/s3/bin/s3s-fs || $(CARGO) install s3s-fs --version 0.14.1 --features binary --locked --root target/s3 --target-dir target/s3/build
	@rm -rf target/s3/build

# Times of the stages, beside those recorded in benches/recorded (ARGS=--record writes them anew).
bench: deps
	$(CARGO) bench --locked
	python3 benches/recorded $(ARGS)

# From a picture's time to its chunk readable at the origin, and FFmpeg's low-latency DASH beside it.
latency: build ffmpeg-9
	target/versus/bin/python benches/latency $(ARGS)

# FFmpeg 9 with libvmaf, static, from PyPI; target/versus is the environment that it is installed in.
FEED ?= testdata/pattern-1080p25.ts
versus: build ffmpeg-9
	target/versus/bin/python benches/versus $(ARGS) '$(FEED)'

# The same and Debian's FFmpeg and GStreamer, on the cells of benches/versus/matrix.toml; writes docs/benchmarks/<today>.html. What is measured already is kept: a run that broke off goes on.
.PHONY: report
report: PACKAGES += gstreamer1.0-tools gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav
report: build ffmpeg-9
	target/versus/bin/python benches/versus/report.py $(ARGS)

# Cost against rungs, pixels, frame rate and cores, and a model of many cores; the tables and plots of docs/scaling.md. Takes about ten minutes of two cores.
.PHONY: scaling
scaling: build ffmpeg-9
	target/versus/bin/python benches/scaling $(ARGS)

# Every backend and point on a few contents; writes the tables of docs/encoders.md. Takes about 25 minutes of two cores.
encoders: build ffmpeg-9
	target/versus/bin/python benches/encoders $(ARGS)

.PHONY: ffmpeg-9
ffmpeg-9:
	@test -x target/versus/bin/python || python3 -m venv target/versus
	@target/versus/bin/python -c 'import imageio_ffmpeg' 2>/dev/null || target/versus/bin/pip install -q imageio-ffmpeg

# Every fault by every clock, live; the table goes into docs/faults.md.
faults: build
	python3 benches/faults $(ARGS)

# Makes the committed sample feeds again; needed only where testdata/make was changed.
testdata: build
	sh testdata/make

# What is in deploy/kubernetes, against the schemas of Kubernetes (from PyPI: no cluster is needed).
.PHONY: check-deploy
check-deploy: build
	@test -x target/deploy/bin/python || python3 -m venv target/deploy
	@target/deploy/bin/python -c 'import kubernetes_validate, yaml' 2>/dev/null || target/deploy/bin/pip install -q 'kubernetes-validate>=1.30' pyyaml
	target/deploy/bin/python scripts/check-deploy deploy/kubernetes target/release/mezzo

# MPDs against the schema of DASH, which is not ours to hand on: DASH_SCHEMA=DASH-MPD.xsd, with what it imports beside it.
.PHONY: check-mpd
check-mpd: PACKAGES += libxml2-utils
check-mpd: build
	@test -n '$(DASH_SCHEMA)' || { echo 'check-mpd: say where the schema is: make check-mpd DASH_SCHEMA=DASH-MPD.xsd'; exit 1; }
	scripts/check-mpd target/release/mezzo '$(DASH_SCHEMA)'

fuzz: deps
	@$(CARGO) fuzz --version >/dev/null 2>&1 || { echo "fuzz: cargo-fuzz is not installed (cargo install cargo-fuzz --locked; it needs a nightly toolchain)"; exit 1; }
	@test -n '$(TARGET)' || { echo "fuzz: say which one, TARGET=name:"; $(CARGO) fuzz list; exit 1; }
	$(CARGO) +nightly fuzz run '$(TARGET)' -- -max_total_time=$(or $(SECONDS),60)
