# docker build -t mezzo .                          software encoders, any machine
# docker build -t mezzo:nvidia --target nvidia .   NVENC and NVDEC, with the NVIDIA container toolkit on the host
# docker build -t mezzo:vaapi --target vaapi .     VA-API on AMD and Intel
#
# docs/container.md says how each is run. Everything comes from Debian but Rust and the crates of Cargo.lock.
ARG DEBIAN=debian:bookworm-slim

FROM ${DEBIAN} AS build
ARG RUST=1.95.0
ARG RUSTUP=1.28.2
ARG RUSTUP_SHA256_AMD64=20a06e644b0d9bd2fbdbfd52d42540bdde820ea7df86e92e533c073da0cdd43c
ARG RUSTUP_SHA256_ARM64=e3853c5a252fca15252d07cb23a1bdd9377a8c6f3efa01531109281ae47f841c
ARG AUDITABLE=0.7.7
ENV CARGO_HOME=/opt/cargo RUSTUP_HOME=/opt/rustup PATH=/opt/cargo/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends ca-certificates curl gcc libc6-dev make
RUN case "$(dpkg --print-architecture)" in \
      amd64) host=x86_64-unknown-linux-gnu sum=$RUSTUP_SHA256_AMD64 ;; \
      arm64) host=aarch64-unknown-linux-gnu sum=$RUSTUP_SHA256_ARM64 ;; \
      *) echo "no Rust is named here for $(dpkg --print-architecture)" >&2; exit 1 ;; \
    esac \
 && curl --proto '=https' --tlsv1.2 -sSfo /tmp/rustup-init "https://static.rust-lang.org/rustup/archive/$RUSTUP/$host/rustup-init" \
 && echo "$sum  /tmp/rustup-init" | sha256sum -c - \
 && chmod +x /tmp/rustup-init \
 && /tmp/rustup-init -y --no-modify-path --profile minimal --default-toolchain "$RUST" \
 && rm /tmp/rustup-init
# Scanners read the list of crates from the program itself.
RUN cargo install cargo-auditable --locked --version "$AUDITABLE"
WORKDIR /src
COPY Makefile ./
COPY scripts scripts
RUN make deps
COPY . .
RUN --mount=type=cache,target=/opt/cargo/registry --mount=type=cache,target=/src/target \
    cargo auditable build --profile dist --locked --bin mezzo \
 && make install BINARY=target/dist/mezzo PREFIX=/usr DESTDIR=/image \
 && install -D -m 755 deploy/container/healthy /image/usr/lib/mezzo/healthy

FROM ${DEBIAN} AS base
# Plugins for inputs of gst:; gstreamer1.0-plugins-bad (MPEG-TS, SRT) brings 200 MB with it, so it is for who asks for it.
ARG PLUGINS="gstreamer1.0-plugins-base gstreamer1.0-plugins-good"
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      ca-certificates libavcodec59 libavfilter8 libavformat59 libavutil57 libswresample4 libswscale6 libzimg2 \
      libgstreamer1.0-0 libgstreamer-plugins-base1.0-0 $PLUGINS \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/* /var/cache/ldconfig/aux-cache \
 && groupadd --system --gid 10001 mezzo \
 && useradd --system --uid 10001 --gid 10001 --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin mezzo \
 && install -d -o mezzo -g mezzo /out
COPY --from=build /image /
# What GStreamer found, so that it looks for nothing at the start, and writes nothing.
ENV GST_REGISTRY=/usr/lib/mezzo/gstreamer-registry.bin
RUN mezzo plan --input 'gst:videotestsrc num-buffers=50 ! video/x-raw,width=320,height=180' --ladder tiny >/dev/null && test -s "$GST_REGISTRY"
ENV GST_REGISTRY_UPDATE=no GST_REGISTRY_FORK=no
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="mezzo" \
      org.opencontainers.image.description="A live transcoding worker: one mezzanine feed in, aligned CMAF segments of a ladder out, in real time." \
      org.opencontainers.image.version="$VERSION" \
      org.opencontainers.image.revision="$REVISION" \
      org.opencontainers.image.base.name="docker.io/library/debian:bookworm-slim" \
      org.opencontainers.image.licenses="(MIT OR Apache-2.0) AND GPL-2.0-or-later"
USER 10001:10001
WORKDIR /out
VOLUME /out
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD ["/usr/lib/mezzo/healthy"]
ENTRYPOINT ["mezzo"]
CMD ["--help"]

# The driver's libraries come from the host; these variables ask the toolkit for them.
FROM base AS nvidia
ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,video,utility

FROM base AS vaapi
ARG VA_DRIVERS="mesa-va-drivers intel-media-va-driver"
USER 0:0
RUN apt-get update -qq \
 && if [ "$(dpkg --print-architecture)" != amd64 ]; then VA_DRIVERS=mesa-va-drivers; fi \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends libva2 libva-drm2 $VA_DRIVERS \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin /var/log/* /var/cache/ldconfig/aux-cache
USER 10001:10001

# The last one is what is built where no target is named.
FROM base AS cpu
