FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
# The caches outlive the image: a changed line of ours does not build 400 crates again.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin stagewire && \
    cp target/release/stagewire /usr/local/bin/stagewire

FROM debian:bookworm-slim
# curl is for the health check, the certificates are for storage behind https.
RUN apt-get update && \
    apt-get install -y --no-install-recommends ca-certificates curl && \
    rm -rf /var/lib/apt/lists/* && \
    useradd --system --uid 10001 --no-create-home --home-dir /data --shell /usr/sbin/nologin stagewire && \
    install -d -o stagewire -g stagewire -m 700 /data
COPY --from=build /usr/local/bin/stagewire /usr/local/bin/stagewire

# Inside a container loopback is of no use. On any other address the server insists on
# STAGEWIRE_ROOT_PASSWORD, which has no default.
ENV STAGEWIRE_MYSQL_ADDR=0.0.0.0:3307 \
    STAGEWIRE_HTTP_ADDR=0.0.0.0:8000 \
    STAGEWIRE_DATA_DIR=/data
USER stagewire
WORKDIR /data
VOLUME /data
EXPOSE 3307 8000
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["curl", "-fsS", "-o", "/dev/null", "http://127.0.0.1:8000/health"]
# The server ends by itself on SIGTERM: it needs no shell and no init around it.
ENTRYPOINT ["stagewire"]
CMD ["serve"]
