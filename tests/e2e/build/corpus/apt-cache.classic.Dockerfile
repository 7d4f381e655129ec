FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y gcc make && rm -rf /var/cache /var/lib/apt
CMD ["gcc"]
