# redis-ops in a container: distroless, no shell, no root.
#
#   docker build -t redis-ops:0.1.0 .
#   docker run --rm redis-ops:0.1.0 --version
FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
RUN cargo build --locked --profile dist --bin redis-ops

FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /src/target/dist/redis-ops /usr/local/bin/redis-ops
USER 65532:65532
ENTRYPOINT ["/usr/local/bin/redis-ops"]
