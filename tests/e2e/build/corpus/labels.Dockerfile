FROM alpine:3
ARG BUILD_DATE=2024-01-01
ARG VCS_REF
LABEL org.opencontainers.image.created=$BUILD_DATE \
      org.opencontainers.image.revision="$VCS_REF" \
      org.opencontainers.image.title='$not replaced' \
      "with space"="a \"quoted\" \$value" \
      many.words=one\ two
LABEL old style of label
LABEL multi.line="first \
second"
