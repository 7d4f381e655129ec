FROM alpine:3 AS base
ENV STAGE=base
WORKDIR /app
COPY app.py .

FROM base AS dev
ENV STAGE=dev
RUN echo dev > dev

FROM base AS prod
ENV STAGE=prod
COPY --from=dev /app/dev /from-dev
CMD ["prod"]
