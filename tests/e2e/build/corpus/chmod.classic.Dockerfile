FROM alpine:3
RUN mkdir -p /srv/docs
COPY app.py /bin/app
COPY --chown=1000:1000 docs/*.txt /srv/docs/
COPY sub /srv/sub
RUN chmod 755 /bin/app && chmod 640 /srv/docs/* && rm -r /srv/sub/deep /srv/sub/keep.log
