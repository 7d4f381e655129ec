FROM alpine:3
SHELL ["/bin/sh", "-ec"]
RUN echo one > /one; false || true
RUN ["/bin/sh", "-c", "echo two > /two"]
RUN [ -f /one ] && echo three > /three
RUN echo "quoted  blanks" 'and $vars' \$HOME > /four
HEALTHCHECK NONE
ENTRYPOINT echo started
CMD in the shell
