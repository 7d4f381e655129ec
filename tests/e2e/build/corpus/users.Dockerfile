FROM alpine:3
RUN addgroup -g 2000 staff2 && adduser -D -u 2001 -G staff2 someone
COPY --chown=someone docs /a/
COPY --chown=someone:staff2 docs /b/
COPY --chown=3000 app.py /c/
COPY --chown=0:staff2 app.py /d
USER someone
RUN id -u > /tmp/uid && id -g > /tmp/gid && echo $HOME > /tmp/home
WORKDIR /tmp
COPY app.py owned.py
USER 3000:3001
RUN id -u > /tmp/uid2
