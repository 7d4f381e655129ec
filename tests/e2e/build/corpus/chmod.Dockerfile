FROM alpine:3
RUN mkdir -p /srv/docs
COPY --chmod=755 app.py /bin/app
COPY --link --chown=1000:1000 --chmod=640 docs/*.txt /srv/docs/
COPY --exclude=*.log --exclude=deep sub /srv/sub
