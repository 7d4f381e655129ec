FROM debian:bookworm-slim
LABEL description="tools" \
      version="1.0"
ENV DEBIAN_FRONTEND=noninteractive
# what the job needs
RUN apt-get update && apt-get install -y --no-install-recommends \
        ca-certificates \
        # for downloads
        curl \
        git \
    && rm -rf /var/lib/apt/lists/* \
    && apt-get clean
SHELL ["/bin/sh", "-euc"]
RUN echo "deb x" > /etc/apt-list; \
    ln -s /etc/apt-list /etc/link; \
    ln /etc/apt-list /etc/hard
CMD ["bash"]
