FROM golang:1.22 AS build
WORKDIR /src
COPY go.mod ./
RUN go mod download
COPY *.go ./
RUN CGO_ENABLED=0 GOOS=linux go build -ldflags="-s -w" -o /bin/server .

FROM scratch
COPY --from=build /bin/server /server
COPY --from=build /etc/passwd /etc/passwd
USER nobody
EXPOSE 8080
ENTRYPOINT ["/server"]
