# docker build -t mezzo .   and then, for example:
# docker run --rm -p 8080:8080 mezzo run --input testsrc: --ladder demo --listen 0.0.0.0:8080
#
# RUST must be an image of Debian bookworm with cargo 1.95 or later; both images come from wherever your docker takes images from.
ARG RUST=rust:1.95-bookworm
ARG DEBIAN=debian:bookworm-slim

FROM ${RUST} AS build
WORKDIR /src
COPY Makefile ./
COPY scripts scripts
RUN make deps
COPY . .
RUN cargo build --profile dist --locked --bin mezzo

FROM ${DEBIAN}
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      ca-certificates libavcodec59 libavformat59 libavutil57 libavfilter8 libavdevice59 libswscale6 libswresample4 libzimg2 \
      libgstreamer1.0-0 libgstreamer-plugins-base1.0-0 gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --create-home mezzo \
 && install -d -o mezzo -g mezzo /out
COPY --from=build /src/target/dist/mezzo /usr/local/bin/mezzo
USER 10001
WORKDIR /out
EXPOSE 8080
STOPSIGNAL SIGTERM
ENTRYPOINT ["mezzo"]
CMD ["--help"]
