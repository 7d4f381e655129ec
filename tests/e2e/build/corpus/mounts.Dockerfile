FROM alpine:3 AS tools
RUN echo tool > /tool

FROM alpine:3
WORKDIR /out
RUN --mount=type=bind,source=docs,target=/docs \
    --mount=type=bind,from=tools,source=/tool,target=/mnt/tool \
    cat /docs/one.txt /mnt/tool > joined && ! touch /docs/new 2>/dev/null
RUN --mount=type=tmpfs,target=/scratch,size=1m touch /scratch/gone
RUN --network=none --mount=type=cache,id=things,target=/cache echo kept > /cache/thing
RUN --mount=type=cache,id=things,target=/cache cp /cache/thing thing
