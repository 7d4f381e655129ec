FROM alpine:3
WORKDIR /out
RUN printf 'one\ntool\n' > joined && echo kept > thing
