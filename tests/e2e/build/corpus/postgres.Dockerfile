FROM debian:bookworm-slim
ENV PG_MAJOR 16
ENV PATH $PATH:/usr/lib/postgresql/$PG_MAJOR/bin
ENV PGDATA=/var/lib/postgresql/data
RUN set -eux; \
    mkdir -p /docker-entrypoint-initdb.d /var/run/postgresql "$PGDATA"; \
    chown -R 70:70 "$PGDATA" /var/run/postgresql; \
    chmod 1777 "$PGDATA"; chmod 3777 /var/run/postgresql
COPY docker-entrypoint.sh /usr/local/bin/
RUN ln -s usr/local/bin/docker-entrypoint.sh /
STOPSIGNAL SIGINT
EXPOSE 5432
ENTRYPOINT ["docker-entrypoint.sh"]
CMD ["postgres"]
