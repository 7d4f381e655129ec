ARG GO=golang
ARG GO_VERSION=1.21
FROM ${GO}:${GO_VERSION} AS build
ARG VERSION=dev
ARG COMMIT
WORKDIR /go/src/app
ADD main.go .
RUN go build -o /out/app-${VERSION} && echo "$VERSION $COMMIT" > /out/version

FROM alpine:3
ARG VERSION
LABEL org.opencontainers.image.version="${VERSION}"
COPY --from=0 /out/ /usr/local/bin/
ENV APP_VERSION=${VERSION:-none}
CMD ["/usr/local/bin/app"]
