FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y gcc make && \
    rm -rf /var/cache/apt/* /var/lib/apt/*
CMD ["gcc"]
