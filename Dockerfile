# syntax=docker/dockerfile:1
# One image with the one binary: docker build -t switchboard .

FROM node:20-bookworm-slim AS web
WORKDIR /src/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --ignore-scripts
COPY docs/openapi.json /src/docs/openapi.json
COPY web ./
RUN npm run build

FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
COPY --from=web /src/web/dist web/dist
# the caches keep the dependencies between builds; the binary is copied out of them
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked --bin switchboard && cp target/release/switchboard /switchboard

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates tzdata \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --home-dir /var/lib/switchboard --create-home --shell /usr/sbin/nologin switchboard
COPY --from=build /switchboard /usr/local/bin/switchboard
USER 10001
WORKDIR /var/lib/switchboard
VOLUME /var/lib/switchboard
# inside a container the published port needs all interfaces
ENV SWITCHBOARD_SERVER__LISTEN=0.0.0.0:8080
EXPOSE 8080
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=15s --timeout=5s --start-period=20s CMD ["switchboard", "doctor", "--live"]
ENTRYPOINT ["switchboard"]
CMD ["serve"]
