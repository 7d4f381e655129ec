FROM alpine:3
RUN apk add --no-cache curl jq
USER 65534:65534
ENTRYPOINT ["curl"]
CMD ["--help"]
