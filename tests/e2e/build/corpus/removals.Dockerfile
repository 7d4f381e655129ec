FROM alpine:3
RUN mkdir -p /d/a/b /d/c && echo 1 > /d/a/b/f && echo 2 > /d/c/g && ln -s a /d/link
RUN rm -rf /d/a && echo now a file > /d/a
RUN rm -rf /d/c && mkdir /d/c && echo 3 > /d/c/h
RUN rm /d/link && mkdir /d/link && touch /d/link/x
COPY docs /d/c
RUN chmod 4755 /d/a && chown 1:2 /d/c/h && mknod /d/pipe p
RUN mv /d/c /d/moved
