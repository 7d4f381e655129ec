FROM rust:1.77 AS chef
WORKDIR /work
COPY Cargo.toml ./
RUN mkdir src && echo 'fn main() {}' > src/main.rs && cargo build --release && rm -rf src
COPY src/main.rs src/
RUN touch src/main.rs && cargo build --release

FROM debian:bookworm-slim AS runtime
COPY --from=chef /work/target/release/app /usr/local/bin/app
RUN chmod 0755 /usr/local/bin/app
ENTRYPOINT ["/usr/local/bin/app"]
